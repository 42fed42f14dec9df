"""Vectors in a file: row after row in float32, appended and never changed, as many as the database says."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from closegap.disk import sync, writing
from closegap.errors import DataError


def mapped(path: Path, count: int, width: int) -> Float[np.ndarray, "n d"]:
    """The first rows of a file, mapped into memory: processes that search it share its pages.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is too short.
    """
    if path.stat().st_size < count * width * 4:
        raise DataError(f"{path}: is shorter than its {count:,} rows; take the index from a backup")
    return np.asarray(np.memmap(path, "<f4", "r", shape=(count, width))) if count else np.empty((0, width), np.float32)


def append(path: Path, count: int, blocks: Iterable[Float[np.ndarray, "n d"]], width: int) -> None:
    """Write rows after the first `count`, over what a kill left there, and wait until the disk holds them.

    Raises:
        ClosegapError: the disk is full or read-only.
    """
    with writing(path):
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            file.truncate(count * width * 4)
            file.seek(count * width * 4)
            for block in blocks:
                file.write(np.ascontiguousarray(block, "<f4").data)
            file.flush()
            os.fsync(file.fileno())
        sync(path.parent)
