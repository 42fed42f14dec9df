"""Arrays in numpy's format, of which nothing is believed that the size of the file does not bear out."""

import math
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal
from zipfile import ZipFile, ZipInfo

import numpy as np

from closegap.errors import DataError

_ALWAYS = 2**28  # bytes that an array may take, however tightly it is packed
_PACKED = 100  # beyond that, how many times its packed size; embeddings hardly shrink at all


@dataclass(frozen=True)
class NpyHeader:
    """What stands before the values of an array.

    Args:
        shape: all lengths 0 or more.
        dtype: no Python objects.
        fortran: whether the first index varies fastest.
        offset: of the first value, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes that the values take."""
        return math.prod(self.shape) * self.dtype.itemsize


def npy_header(file: BinaryIO, size: int) -> NpyHeader:
    """The header of an array; `file` then stands at the first value.

    Args:
        file: stands at the array's first byte.
        size: of header and values, in bytes.

    Raises:
        ValueError: no array of numpy's, one of Python objects, one that is cut short or followed by something.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # numpy has Python read the header, which has a dozen ways to fail
        raise ValueError(f"no header of numpy's: {reprlib.repr(str(error))}") from error
    if dtype.hasobject or version[0] > 3 or min(shape, default=0) < 0:
        raise ValueError(f"version {version[0]}, {dtype}, shape {shape}")
    header = NpyHeader(shape, dtype, fortran, file.tell())
    if header.offset + header.size != size:
        raise ValueError(
            f"{size - header.offset:,} bytes of values, expected {header.size:,} for {dtype} of shape {shape}"
        )
    return header


def mapped_npy(path: Path, header: NpyHeader) -> np.ndarray:
    """The values of a file with this header, mapped into memory; what is written to them never reaches the file."""
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "c", header.offset, header.shape, order)


def npz_members(archive: ZipFile) -> dict[str, ZipInfo]:
    """The arrays of an .npz archive by name."""
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist()}


def expect_sensible_size(size: int, packed: int, name: str | Path) -> None:
    """Refuse what says that it unpacks to more than 256 MiB and a hundred times its size.

    Raises:
        DataError: it does.
    """
    if size > max(_ALWAYS, _PACKED * packed):
        raise DataError(
            f"{name}: {packed:,} bytes that unpack to {size:,}: no embeddings are packed so tightly; "
            "give the array as .npy if it is meant"
        )


def unpacked(file: BinaryIO, header: NpyHeader, packed: int, name: str | Path) -> np.ndarray:
    """The values of a member of an archive, read once their size has been found to be a sensible one.

    Args:
        file: stands at the first value.
        header: of the member.
        packed: bytes that the member takes in the archive.
        name: of the archive, for messages.

    Raises:
        DataError: a size that is none, or a member that ends before it.
    """
    expect_sensible_size(header.size, packed, name)
    values = np.empty(header.shape[::-1] if header.fortran else header.shape, header.dtype)
    left = memoryview(values.data).cast("B")
    while left and (count := file.readinto(left)):  # type: ignore[attr-defined]
        left = left[count:]
    if left or file.read(1):  # reading to the end has the checksum looked at
        raise DataError(f"{name}: ends early; fetch or write it again")
    return values.T if header.fortran else values
