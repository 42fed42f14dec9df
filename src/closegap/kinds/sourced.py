"""Items that lie in a file, in bytes or in an archive: what they are called, where they are, what stands for them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from closegap.errors import DataError
from closegap.files import digest, regular, stream_digest
from closegap.kinds.place import Place
from closegap.kinds.stored import Stored

Sourced: TypeAlias = Path | bytes | Stored
"""Where the content of an item comes from."""

_CHUNK = 2**20
_PART = re.compile(r"(?P<file>.+)#t=(?P<first>\d+(?:\.\d+)?)?(?:,(?P<last>\d+(?:\.\d+)?))?")


def named_part(given: str) -> tuple[Path, float, float | None] | None:
    """File, beginning and end in seconds of the part that is named; None where none is, the end too where it is open.

    Example:
        >>> named_part("visit.mp3#t=60,90"), named_part("visit.mp3#t=60"), named_part("visit.mp3")
        ((PosixPath('visit.mp3'), 60.0, 90.0), (PosixPath('visit.mp3'), 60.0, None), None)
    """
    found = _PART.fullmatch(given)
    if found is None:
        return None
    last = found["last"]
    return Path(found["file"]), float(found["first"] or 0), None if last is None else float(last)


def content_of(source: Sourced, noun: str) -> bytes:
    """The bytes.

    Args:
        source: where they come from.
        noun: what errors call a file.

    Raises:
        DataError: they cannot be read.
    """
    if isinstance(source, Path):
        return b"".join(_pieces(source, noun))
    return source.content() if isinstance(source, Stored) else source


def fingerprint_of(source: Sourced, settings: str, noun: str, beside: Sequence[Path] = ()) -> bytes:
    """Digest of the bytes, read piece by piece, of those of files that belong to them, and of the settings, if any.

    Raises:
        DataError: they cannot be read.
    """
    states = [_state(source, noun), *(_state(path, noun) for path in beside)]
    if not settings and len(states) == 1:
        return states[0].encode()
    return digest(*(state.encode() for state in states), settings.encode()).encode()


def place_of(source: Sourced, settings: str) -> Place | None:
    """The file, and which part of it is taken in which way; None of bytes."""
    if isinstance(source, bytes):
        return None
    lies = Place(source) if isinstance(source, Path) else source.place()
    return replace(lies, part=" ".join(filter(None, [lies.part, settings])))


def told(source: Sourced, settings: str, noun: str) -> str:
    """What errors call the item: where it lies, and what is not as by default."""
    where = f"{noun} of {len(source):,} bytes" if isinstance(source, bytes) else str(source)
    return f"{where} ({settings})" if settings else where


def _state(source: Sourced, noun: str) -> str:
    if isinstance(source, Path):
        return stream_digest(_pieces(source, noun))
    content = memoryview(content_of(source, noun))
    return stream_digest(content[at : at + _CHUNK] for at in range(0, len(content), _CHUNK))


def _pieces(path: Path, noun: str) -> Iterator[bytes]:
    try:
        with regular(path).open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece
    except FileNotFoundError:
        raise DataError(f"{path}: no such {noun}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
