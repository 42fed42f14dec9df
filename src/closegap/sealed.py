"""Tensors in files that tell by themselves whether they are what was written.

The header of a sealed .safetensors file holds the digest of the whole file, its own 32 characters taken as zeros. It
shows damage, not malice: whoever writes a file can seal it.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.errors import DataError
from closegap.files import whole_file

SEAL = "digest"
"""Key of the header's metadata."""

OPEN = "0" * 32
"""What stands under the key until the file is sealed."""

_PLACE = re.compile(rb'"' + SEAL.encode() + rb'":"([0-9a-f]{32})"')  # in a JSON string its quotes would be escaped
_LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
_CHUNK = 2**20


def save_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `path`, whole or not at all.

    Args:
        path: the .safetensors file.
        tensors: what it holds.
        metadata: what it says of itself.
    """
    with whole_file(path) as temporary:
        held = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(held, temporary, metadata={**metadata, SEAL: OPEN})
        seal(temporary)


def seal(path: Path) -> None:
    """Put the digest into a file that was written with `OPEN` in its place."""
    with path.open("r+b") as file:
        place, found = _digest(file)
        file.seek(place)
        file.write(found.encode())


def read_metadata(path: Path, again: str) -> dict[str, str]:
    """What a file says of itself, sealed or not.

    Args:
        path: the .safetensors file.
        again: what to do about a damaged one.

    Raises:
        DataError: no such file, or a damaged one.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as opened:
            return dict(opened.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, " ".join(str(error).split()), again) from error


def load_sealed(path: Path, again: str) -> dict[str, Tensor]:
    """The tensors, mapped into memory, of a file that is what was written.

    Args:
        path: the .safetensors file.
        again: what to do about a damaged one.

    Raises:
        DataError: no such file, one that is not sealed, or a damaged one.
    """
    try:
        with path.open("rb") as file:
            place, found = _digest(file)
            file.seek(place)
            claimed = file.read(len(OPEN)).decode()
        if claimed != found:
            raise _damaged(path, "its content is not what was written", again)
        return load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, " ".join(str(error).split()), again) from error


def _digest(file: BinaryIO) -> tuple[int, str]:
    """Where the digest's characters begin, and what they should be; a part of the file at a time is in memory.

    Raises:
        ValueError: no sealed .safetensors file.
    """
    length = file.read(8)
    size = int.from_bytes(length, "little")
    header = file.read(size) if size <= _LONGEST_HEADER else b""
    place = _PLACE.search(header)
    if len(header) != size or place is None:
        raise ValueError("no header with a digest")
    start, end = place.span(1)
    state = hashlib.blake2b(length + header[:start] + OPEN.encode() + header[end:], digest_size=16)
    while part := file.read(_CHUNK):
        state.update(part)
    return len(length) + start, state.hexdigest()


def _damaged(path: Path, reason: str, again: str) -> DataError:
    return DataError(f"{path}: damaged ({reason}); {again}")
