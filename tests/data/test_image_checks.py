"""Images are decoded once, and remembered until their file changes."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from closegap.data import cache_folder, content_digests, image_checks
from closegap.data.image_checks import Verdict, check_images
from closegap.errors import DataError
from closegap.files import digest

Picture = Callable[[Path, int], Path]


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """An empty memory, and what is examined from then on."""
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "memory"))
    seen: list[object] = []
    examine = image_checks._examine

    def spy(image: Path) -> Verdict:
        seen.append(image)
        return examine(image)

    monkeypatch.setattr(image_checks, "_examine", spy)
    return seen


def test_a_second_start_decodes_nothing(tmp_path: Path, picture: Picture, examined: list[object]) -> None:
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(5)]
    first = check_images(paths)
    assert list(first) == paths
    assert list(first.values()) == [Verdict(digest(path.read_bytes())) for path in paths]
    assert sorted(map(str, examined)) == sorted(map(str, paths))
    assert check_images(paths) == first
    assert len(examined) == 5


def test_a_changed_file_is_examined_again(tmp_path: Path, picture: Picture, examined: list[object]) -> None:
    path = picture(tmp_path / "a.png", 1)
    before = content_digests([path])[path]
    old = path.stat().st_mtime_ns
    picture(path, 2)
    os.utime(path, ns=(old + 1, old + 1))
    assert content_digests([path])[path] == digest(path.read_bytes()) != before
    assert len(examined) == 2


def test_what_is_broken_is_examined_at_every_start(tmp_path: Path, examined: list[object]) -> None:
    (tmp_path / "no.png").write_bytes(b"no image")
    for _ in range(2):
        verdict = check_images([tmp_path / "no.png"])[tmp_path / "no.png"]
        assert "not an image" in verdict.error
        assert verdict.digest == digest(b"no image")
    assert len(examined) == 2


def test_digests_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        content_digests([tmp_path / "gone.png"])


def test_progress_counts_up_to_the_whole(tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "memory"))
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(4)]
    check_images(paths[:1])
    calls: list[tuple[int, int]] = []
    check_images(paths, lambda done, total: calls.append((done, total)))
    assert calls == [(2, 4), (3, 4), (4, 4)]


def test_a_relative_path_is_the_same_file(
    tmp_path: Path, picture: Picture, examined: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png", 1)
    check_images([path])
    monkeypatch.chdir(tmp_path)
    check_images([Path("a.png")])
    assert examined == [path]


def test_a_damaged_memory_is_made_anew(tmp_path: Path, picture: Picture, examined: list[object]) -> None:
    memory = cache_folder() / "images.sqlite3"
    memory.parent.mkdir()
    memory.write_bytes(b"this is no database" * 100)
    path = picture(tmp_path / "a.png", 1)
    check_images([path])
    check_images([path])
    assert examined == [path]
    with sqlite3.connect(memory) as opened:
        assert opened.execute("SELECT COUNT(*) FROM images").fetchone() == (1,)


def test_without_a_memory_everything_still_works(
    tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "file"))  # a file where a folder should be
    path = picture(tmp_path / "a.png", 1)
    assert not check_images([path])[path].error
    assert "set CLOSEGAP_CACHE" in caplog.text


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CLOSEGAP_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "closegap"
