"""The cache is its owner's alone, names no place, and can be pruned while nobody uses it."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from closegap.cli import main
from closegap.data.cache import CacheEntry, cache_entries, chosen_entries, private_cache
from closegap.data.verification import content_digests, problems
from closegap.kinds import ImageKind

_DAY = 86400.0
_ENTRIES = [CacheEntry(f"features/{name}", "", 10, day * _DAY) for day, name in enumerate(("ab1", "ab2", "c3"))]


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two towers' features, and what an older version left."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLOSEGAP_CACHE", str(folder))
    for name, size in (("features/ab1/0.safetensors", 3000), ("features/c3/0.safetensors", 50), ("images.sqlite3", 7)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    return folder


def test_what_is_remembered_is_private_and_names_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "kept"))
    path = tmp_path / "Smith-John" / "chest.png"
    path.parent.mkdir()
    Image.new("L", (8, 8)).save(path)
    assert problems(ImageKind(), [path]) == [None]
    content_digests(ImageKind(), [path])
    (memory,) = (tmp_path / "kept").glob("memory*")
    assert b"Smith" not in memory.read_bytes()
    assert b"chest" not in memory.read_bytes()
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert stat.S_IMODE(memory.parent.stat().st_mode) == 0o700
    features = private_cache("features")
    assert stat.S_IMODE(features.stat().st_mode) == 0o700


def test_entries_are_towers_and_files(filled: Path) -> None:
    found = {entry.name: (entry.what, entry.size) for entry in cache_entries()}
    assert found == {
        "features/ab1": ("features of a tower", 3000),
        "features/c3": ("features of a tower", 50),
        "images.sqlite3": ("of another version", 7),
    }


@pytest.mark.parametrize(
    ("given", "going"),
    [
        ({"names": ["ab"]}, ["ab1", "ab2"]),
        ({"names": ["features/c3"]}, ["c3"]),
        ({"older_than": 4}, ["ab1"]),
        ({"older_than": 0}, ["ab1", "ab2", "c3"]),
        ({"max_size": 20}, ["ab1"]),
        ({"max_size": 0}, ["ab1", "ab2", "c3"]),
        ({"max_size": 30}, []),
        ({"names": ["c3"], "max_size": 10}, ["c3", "ab1"]),
    ],
)
def test_what_goes(given: dict[str, object], going: list[str]) -> None:
    found = chosen_entries(_ENTRIES, 4.5 * _DAY, **given)  # type: ignore[arg-type]
    assert [Path(entry.name).name for entry in found] == going


def test_pruning_lists_first(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--tower", "ab", "images.sqlite3"]) == 0
    said = capsys.readouterr().out
    assert f"{filled}: 2 of 3 entries, 2.9 KiB, would go; add --yes to delete them" in said
    assert len(cache_entries()) == 3
    assert main(["cache", "prune", "--tower", "ab", "images.sqlite3", "--yes"]) == 0
    assert [entry.name for entry in cache_entries()] == ["features/c3"]
    assert main(["cache", "info"]) == 0
    assert f"{filled}: 1 entries, 50 B" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["c4", "memory.sqlite3", "", "features"])
def test_a_name_of_no_entry_is_one_line(filled: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--tower", "ab", name, "--yes"]) == 1
    assert capsys.readouterr().err == (
        f"closegap: --tower '{name}': the cache has no such entry; it has features/ab1, features/c3, images.sqlite3\n"
    )
    assert len(cache_entries()) == 3


def test_a_cache_that_is_a_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "file"))
    assert main(["cache", "prune", "--max-size", "0", "--yes"]) == 1
    assert capsys.readouterr().err == f"closegap: {tmp_path / 'file'}: not a folder; set CLOSEGAP_CACHE to one\n"


def test_a_cache_in_use_is_not_pruned(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "from closegap.data.cache import private_cache; private_cache('features'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdout.readline()
        assert main(["cache", "prune", "--older-than", "0", "--yes"]) == 1
        assert capsys.readouterr().err == (
            f"closegap: {filled}: in use by a command or a notebook; prune it when they have ended\n"
        )
        assert len(cache_entries()) == 3
        user.kill()
    assert main(["cache", "prune", "--older-than", "0", "--yes"]) == 0
    assert cache_entries() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "cache '': expected info or prune; see `closegap cache --help`"),
        (["prune"], "--older-than, --max-size, --tower: none is given; say what may go"),
        (["prune", "--older-than", "-1"], "--older-than -1: expected days, 0 or more"),
        (["prune", "--max-size", "many"], "--max-size many: expected a number and K, M, G or T, as 20G"),
    ],
)
def test_what_was_asked_wrongly_is_one_line(
    filled: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", *arguments]) == 2
    assert capsys.readouterr().err == f"closegap: {message}\n"
