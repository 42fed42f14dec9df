"""What takes long is looked at once, and remembered until it changes."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from markupsafe import Markup
from PIL import Image

from closegap.data import cache_folder, content_digests
from closegap.data.verification import problems, remember_sound
from closegap.errors import DataError
from closegap.files import digest
from closegap.kinds import ImageKind, Kind, Place, TextKind

Picture = Callable[[Path, int], Path]


@dataclass(frozen=True)
class Watched(Kind):
    """Images that write down when they are looked at."""

    noun: ClassVar[str] = "image"
    costly: ClassVar[bool] = True

    looked_at: list[Any] = field(default_factory=list)
    fingerprinted: list[Any] = field(default_factory=list)

    def problem(self, item: Any) -> str | None:
        self.looked_at.append(item)
        return ImageKind().problem(item)

    def place(self, item: Any) -> Place | None:
        return ImageKind().place(item)

    def fingerprint(self, item: Any) -> bytes:
        self.fingerprinted.append(item)
        return ImageKind().fingerprint(item)

    def pack(self, item: Any) -> bytes:
        return ImageKind().pack(item)

    def unpack(self, data: bytes) -> Any:
        return ImageKind().unpack(data)

    def show(self, item: Any) -> Markup:
        return ImageKind().show(item)


@dataclass(frozen=True)
class Drawn:
    """An image that lies in no file."""

    level: int

    def open(self) -> Image.Image:
        if self.level < 0:
            raise RuntimeError("no such level")
        return Image.new("L", (8, 8), self.level)

    def fingerprint(self) -> bytes:
        return str(self.level).encode()


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty memory."""
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "memory"))


@pytest.fixture
def kind() -> Watched:
    return Watched()


def test_a_second_start_decodes_nothing(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(5)]
    assert problems(kind, [*paths, paths[0]]) == [None] * 6
    assert sorted(kind.looked_at) == sorted(paths)
    assert problems(kind, paths) == [None] * 5
    assert len(kind.looked_at) == 5


def test_a_changed_file_is_looked_at_again(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    path = picture(tmp_path / "a.png", 1)
    assert problems(kind, [path]) == [None]
    old = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-60])
    os.utime(path, ns=(old + 1, old + 1))
    (problem,) = problems(kind, [path])
    assert "damaged or truncated image" in str(problem)
    assert len(kind.looked_at) == 2


def test_what_is_broken_is_looked_at_at_every_start(tmp_path: Path, kind: Watched) -> None:
    (tmp_path / "no.png").write_bytes(b"no image")
    for _ in range(2):
        assert "not an image" in str(problems(kind, [tmp_path / "no.png"])[0])
    assert len(kind.looked_at) == 2


def test_images_that_lie_in_no_file_are_known_by_their_fingerprint(kind: Watched) -> None:
    items = [Drawn(3), Drawn(-1), Drawn(3)]
    first, second = problems(kind, items), problems(kind, items)
    assert first == second == [None, "Drawn(level=-1): cannot be opened (no such level)", None]
    assert sorted(item.level for item in kind.looked_at) == [-1, -1, 3]


def test_what_somebody_prepared_is_not_looked_at(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    path = picture(tmp_path / "a.png", 1)
    remember_sound(kind, [path, Drawn(4)])
    assert problems(kind, [path, Drawn(4)]) == [None, None]
    assert kind.looked_at == []


def test_each_kind_remembers_for_itself(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    path = picture(tmp_path / "a.png", 1)
    remember_sound(ImageKind(), [path])
    problems(kind, [path])
    assert kind.looked_at == [path]


def test_what_is_quick_is_looked_at_every_time() -> None:
    calls: list[tuple[int, int]] = []
    found = problems(TextKind(), ["a", "", 3], lambda *told: calls.append(told))
    assert found == [None, "expected a text, found a blank one", "expected a text, found a int"]
    assert calls == []
    assert not cache_folder().exists()


def test_digests_are_of_the_content_and_decode_nothing(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(3)]
    (tmp_path / "no.png").write_bytes(b"no image")
    items: Sequence[Any] = [*paths, tmp_path / "no.png", Drawn(5)]
    expected = [digest(path.read_bytes()) for path in items[:4]] + [digest(b"5")]
    assert content_digests(kind, items) == expected
    assert content_digests(kind, items) == expected
    assert kind.looked_at == []
    assert kind.fingerprinted.count(paths[0]) == 1  # the second time it was remembered


def test_digests_of_what_cannot_be_read(tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        content_digests(ImageKind(), [gone])
    refused: dict[int, str] = {}
    assert content_digests(ImageKind(), [Drawn(1), gone], refused) == [digest(b"1"), ""]
    assert refused == {1: f"{gone}: no such image"}


def test_progress_counts_up_to_the_whole(tmp_path: Path, picture: Picture) -> None:
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(4)]
    problems(ImageKind(), paths[:1])
    calls: list[tuple[int, int]] = []
    problems(ImageKind(), paths, lambda done, total: calls.append((done, total)))
    assert calls == [(2, 4), (3, 4), (4, 4)]


def test_a_relative_path_is_the_same_file(
    tmp_path: Path, picture: Picture, kind: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png", 1)
    problems(kind, [path])
    monkeypatch.chdir(tmp_path)
    problems(kind, [Path("a.png")])
    assert kind.looked_at == [path]


def test_a_damaged_memory_is_made_anew(tmp_path: Path, picture: Picture, kind: Watched) -> None:
    memory = cache_folder() / "memory.sqlite3"
    memory.parent.mkdir()
    memory.write_bytes(b"this is no database" * 100)
    path = picture(tmp_path / "a.png", 1)
    for _ in range(2):
        assert problems(kind, [path]) == [None]
    assert kind.looked_at == [path]
    with sqlite3.connect(memory) as opened:
        assert opened.execute("SELECT COUNT(*) FROM sound").fetchone() == (1,)


def test_without_a_memory_everything_still_works(
    tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "file" / "cache"))
    path = picture(tmp_path / "a.png", 1)
    assert problems(ImageKind(), [path]) == [None]
    assert content_digests(ImageKind(), [path]) == [digest(path.read_bytes())]
    assert "set CLOSEGAP_CACHE" in caplog.text


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CLOSEGAP_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "closegap"
