import os
from glob import escape
from pathlib import Path

import pytest

from closegap.files import sweep, whole_file, whole_files, whole_folder, write_text


def test_a_file_is_written_as_whoever_asks_would_write_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "made" / "for" / "it.txt", "new")
        with whole_folder(tmp_path / "folder") as temporary:
            (temporary / "a").write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / "made" / "for" / "it.txt").read_text() == "new"
    assert (tmp_path / "made" / "for" / "it.txt").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyError), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text(os.environ["NO SUCH NAME"])
    with pytest.raises(KeyError), whole_folder(tmp_path / "folder"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_files_that_belong_together(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with whole_files(tmp_path / "seal.json", tmp_path / "page.html") as (seal, page):
            assert (seal.suffix, page.suffix) == (".json", ".html")
            seal.write_text(content)
            page.write_text(content)
        assert [(tmp_path / name).read_text() for name in ("seal.json", "page.html")] == [content, content]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_seal_is_not_there_while_the_others_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (tmp_path / "seal", tmp_path / "page")
    for path in paths:
        write_text(path, "old")
    seen = []
    monkeypatch.setattr(
        "closegap.files.sync", lambda _: seen.append({p.name: p.read_text() for p in paths if p.exists()})
    )
    with whole_files(*paths) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")
    old, new = (dict.fromkeys(("seal", "page"), text) for text in ("old", "new"))
    assert seen == [old, old, {"page": "old"}, {"page": "new"}, new]


def test_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / ".hidden.of.somebody"
    kept.write_text("")
    held = [whole_file(tmp_path / "a.csv"), whole_file(tmp_path / "b.csv"), whole_folder(tmp_path / "step")]
    for one in held:
        one.__enter__()
    (next(tmp_path.glob(".step.*")) / "part").write_text("")
    sweep(tmp_path, escape("a.*"))
    assert len(list(tmp_path.iterdir())) == 4
    sweep(tmp_path, "a.csv")
    assert sorted(path.name.split(".")[1] for path in tmp_path.iterdir()) == ["b", "hidden", "step"]
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == [kept]
