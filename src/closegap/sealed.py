"""Tensors in files that tell by themselves whether they are what was written.

What a sealed .safetensors file says of itself is one JSON object under one key of its metadata, as the library writes
several keys in another order each time. In it is the digest of the whole file, its own 32 characters taken as zeros. It
shows damage, not malice: whoever writes a file can seal it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.errors import DataError
from closegap.files import regular, whole_file

_OPEN = "0" * 32  # in the place of the digest until the file is sealed
_PLACE = re.compile(rb'\\"digest\\":\\"([0-9a-f]{32})\\"')  # JSON in JSON: within a text, quotes are escaped once more
_LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
_CHUNK = 2**20


def save_sealed(path: Path, tensors: Mapping[str, Tensor], key: str, says: Mapping[str, Any]) -> None:
    """Write `path`, whole or not at all; the same bytes of the same tensors.

    Args:
        path: the .safetensors file.
        tensors: what it holds.
        key: of the metadata; it tells kinds of files apart.
        says: what the file says of itself, as JSON.
    """
    with whole_file(path) as temporary:
        held = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(held, temporary, metadata=unsealed(key, says))
        seal(temporary)


def unsealed(key: str, says: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a file that is sealed once it is written."""
    return {key: json.dumps({**says, "digest": _OPEN}, separators=(",", ":"))}


def seal(path: Path) -> None:
    """Put the digest into a file that was written with the metadata of `unsealed`."""
    with path.open("r+b") as file:
        place, found = _digest(file)
        file.seek(place)
        file.write(found.encode())


def read_says(path: Path, key: str, again: str) -> dict[str, Any]:
    """What a file says of itself under a key; nothing if it has no such key. Whether it is sound is not looked at.

    Args:
        path: the .safetensors file.
        key: of the metadata.
        again: what to do about a damaged one.

    Raises:
        DataError: no such file, or a damaged one.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as opened:
            found = json.loads((opened.metadata() or {}).get(key, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise _damaged(path, " ".join(str(error).split()), again) from error
    if not isinstance(found, dict):
        raise _damaged(path, f"'{key}' of its metadata is no JSON object", again)
    return found


def load_sealed(path: Path, again: str) -> dict[str, Tensor]:
    """The tensors, mapped into memory, of a file that is what was written.

    Args:
        path: the .safetensors file.
        again: what to do about a damaged one.

    Raises:
        DataError: no such file, one that is not sealed, or a damaged one.
    """
    try:
        with regular(path).open("rb") as file:
            place, found = _digest(file)
            file.seek(place)
            claimed = file.read(len(_OPEN)).decode()
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
    state = hashlib.blake2b(length + header[:start] + _OPEN.encode() + header[end:], digest_size=16)
    while part := file.read(_CHUNK):
        state.update(part)
    return len(length) + start, state.hexdigest()


def _damaged(path: Path, reason: str, again: str) -> DataError:
    return DataError(f"{path}: damaged ({reason}); {again}")
