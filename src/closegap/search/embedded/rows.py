"""Rows of numbers in a file: one after the other, appended and never changed, as many as the database says."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Num

from closegap.disk import sync, writing
from closegap.errors import DataError


def mapped(path: Path, count: int, width: int, dtype: str = "<f4") -> Num[np.ndarray, "n d"]:
    """The first rows of a file, mapped into memory: processes that search it share its pages.

    Args:
        path: of the file.
        count: of rows.
        width: numbers of a row.
        dtype: of a number.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is too short.
    """
    if path.stat().st_size < count * width * np.dtype(dtype).itemsize:
        raise DataError(f"{path}: is shorter than its {count:,} rows; take the index from a backup")
    return np.asarray(np.memmap(path, dtype, "r", shape=(count, width))) if count else np.empty((0, width), dtype)


def append(path: Path, count: int, blocks: Iterable[Num[np.ndarray, "n d"]], width: int, dtype: str = "<f4") -> None:
    """Write rows after the first `count`, over what a kill left there, and wait until the disk holds them.

    Args:
        path: of the file, which is made if need be.
        count: of rows that are there.
        blocks: rows, some at a time.
        width: numbers of a row.
        dtype: of a number.

    Raises:
        ClosegapError: the disk is full or read-only.
    """
    size = count * width * np.dtype(dtype).itemsize
    with writing(path):
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            file.truncate(size)
            file.seek(size)
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype).data)
            file.flush()
            os.fsync(file.fileno())
        sync(path.parent)
