"""What a disk refuses is one line; a limit on the size of files stands in for a full one."""

import errno
import resource
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from closegap.disk import writing
from closegap.errors import ClosegapError
from closegap.files import whole_file, whole_files, whole_folder, write_text


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Every file of this process ends at `size` bytes, as on a disk that is full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _tensors(path: Path) -> None:
    save_file({"rows": torch.zeros(1000)}, path)


def _table(path: Path) -> None:
    pq.write_table(pa.table({"id": [str(i) for i in range(1000)]}), path)


def _text(path: Path) -> None:
    path.write_text("x" * 1000, encoding="utf-8")


def _set(paths: Sequence[Path]) -> None:
    with whole_files(*paths) as temporaries:
        temporaries[0].write_text("new")
        _text(temporaries[1])


@pytest.mark.parametrize("write", [_tensors, _table, _text])
def test_a_file_that_the_disk_has_no_room_for(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_text("old")
    expected = r"^\S+/a\.bin: cannot be written \(File too large\); see that it can be written$"
    with no_file_above(200), pytest.raises(ClosegapError, match=expected), whole_file(path) as temporary:
        write(temporary)
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_text() == "old"


def test_a_folder_that_the_disk_has_no_room_for(tmp_path: Path) -> None:
    expected = r"^\S+/step: cannot be written \(File too large\)"
    with no_file_above(200), pytest.raises(ClosegapError, match=expected), whole_folder(tmp_path / "step") as temporary:
        _tensors(temporary / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_set_that_the_disk_has_no_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    paths = (tmp_path / "report.json", tmp_path / "report.html")
    for path in paths:
        write_text(path, "old")
    with no_file_above(200), pytest.raises(ClosegapError, match="cannot be written"):
        _set(paths)
    assert [path.read_text() for path in paths] == ["old", "old"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make space there"), (errno.EROFS, "choose another place"), (errno.EIO, "see that it can be")],
)
def test_the_advice_is_that_of_the_reason(number: int, advice: str, tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match=advice), writing(tmp_path / "a"):
        raise OSError(number, "whatever")


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ClosegapError, match=r"/runs/a/report\.json: cannot be written \(Not a directory\)"):
        write_text(tmp_path / "runs" / "a" / "report.json", "{}")


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(ClosegapError, match=r"/report\.json: cannot be written \(Is a directory\)"):
        write_text(tmp_path / "report.json", "{}")


def test_a_database_that_the_disk_has_no_room_for(tmp_path: Path) -> None:
    memory = sqlite3.connect(tmp_path / "index.sqlite3")
    memory.execute("CREATE TABLE kept (value TEXT)")
    expected = r"/index\.sqlite3: cannot be written \(\w"
    with pytest.raises(ClosegapError, match=expected), no_file_above(9000), writing(tmp_path / "index.sqlite3"), memory:
        memory.execute("INSERT INTO kept VALUES (?)", ["x" * 100_000])
    memory.close()


def test_an_error_about_another_file_is_not_one_of_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "out.csv"):
        (tmp_path / "in.csv").read_text()
    assert not list(tmp_path.iterdir())
