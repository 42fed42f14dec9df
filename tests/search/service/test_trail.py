"""The audit log's chain."""

import json
import multiprocessing
from pathlib import Path

import pytest

from closegap.errors import DataError, UsageError
from closegap.search.service.trail import Trail, verify


def _written(path: Path, lines: int = 5) -> list[str]:
    trail = Trail(path)
    for number in range(lines):
        trail.append({"who": "a", "digest": trail.digest(b"flu"), "ids": [f"image/{number}"]})
    return path.read_text().splitlines(keepends=True)


def _many(path: Path, who: str) -> None:
    trail = Trail(path)
    for _ in range(50):
        trail.append({"who": who})


@pytest.mark.parametrize("line", range(5))
def test_what_was_changed_is_named(tmp_path: Path, line: int) -> None:
    lines = _written(path := tmp_path / "audit.jsonl")
    path.write_text("".join([*lines[:line], lines[line].replace('"who": "a"', '"who": "b"'), *lines[line + 1 :]]))
    with pytest.raises(DataError, match=rf"line {line + 1}: was changed"):
        verify(path)


@pytest.mark.parametrize("gone", range(4))
def test_what_is_missing_is_noticed(tmp_path: Path, gone: int) -> None:
    lines = _written(path := tmp_path / "audit.jsonl")
    path.write_text("".join(lines[:gone] + lines[gone + 1 :]))
    with pytest.raises(DataError, match=rf"line {gone + 1}"):
        verify(path)


def test_what_was_swapped_added_or_halved_is_noticed(tmp_path: Path) -> None:
    lines = _written(path := tmp_path / "audit.jsonl")
    for changed in (
        [lines[1], lines[0], *lines[2:]],
        [*lines, lines[-1]],
        [*lines, "{}\n"],
        [*lines[:4], lines[4][:-1]],
    ):
        path.write_text("".join(changed))
        with pytest.raises(DataError, match="was changed, or a line before it is missing"):
            verify(path)


def test_lines_cut_off_are_noticed_by_a_head_that_was_kept(tmp_path: Path) -> None:
    lines = _written(path := tmp_path / "audit.jsonl")
    head = verify(path).head
    assert verify(path, head).lines == 5
    path.write_text("".join(lines[:3]))
    assert verify(path).lines == 3
    with pytest.raises(DataError, match="cut off"):
        verify(path, head)


def test_digests_need_the_key(tmp_path: Path) -> None:
    first, second = Trail(tmp_path / "a"), Trail(tmp_path / "b")
    assert first.digest(b"flu") == Trail(tmp_path / "a").digest(b"flu") != second.digest(b"flu")
    assert (tmp_path / "a.key").stat().st_mode & 0o077 == 0
    (tmp_path / "a.key").unlink()
    with pytest.raises(UsageError, match="no key"):
        verify(tmp_path / "a")


def test_a_torn_line_is_not_written_after(tmp_path: Path) -> None:
    lines = _written(path := tmp_path / "audit.jsonl")
    path.write_text("".join(lines)[:-10])
    with pytest.raises(DataError, match="not whole"):
        Trail(path).append({})


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    path, spawned = tmp_path / "audit.jsonl", multiprocessing.get_context("spawn")
    writers = [spawned.Process(target=_many, args=(path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert verify(path).lines == 150
    assert {json.loads(line)["who"] for line in path.read_text().splitlines()} == set("abc")
