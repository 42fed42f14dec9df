"""Writing to a disk that may be full, read-only or lose its power."""

import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from closegap.errors import ClosegapError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_OF_SAFETENSORS = re.compile(r"\(os error (\d+)\)")  # it raises no OSError, but quotes one
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Stands around the writing of `path`, so that what the disk refuses is one line with the path and the reason.

    An error about another file, such as one that is read meanwhile, passes as it is.

    Args:
        path: what is written, itself or under a hidden name beside it.

    Raises:
        ClosegapError: the disk is full or read-only, the folder belongs to somebody else.

    Example:
        >>> with writing(Path("runs/a.csv")):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        closegap.errors.ClosegapError: runs/a.csv: cannot be written (No space left on device); make space ...
    """
    try:
        yield
    except (OSError, SafetensorError, sqlite3.OperationalError) as error:
        number = _number(error)
        if number is None or (isinstance(error, OSError) and not _concerns(error.filename, path)):
            raise
        reason, advice = os.strerror(number), "see that it can be written"
        if number in _FULL:
            advice = "make space there and give the command again"
        elif number in _FORBIDDEN:
            advice = "choose another place, or have yourself allowed to write there"
        raise ClosegapError(f"{path}: cannot be written ({reason}); {advice}") from error


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it, so that they outlast a power cut; those that were not there, deepest first."""
    missing = [found for found in (folder, *folder.parents) if not found.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync(made.parent)
    return missing


def sync(path: Path) -> None:
    """Wait until the disk holds the bytes of a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(error: OSError | SafetensorError | sqlite3.OperationalError) -> int | None:
    """The errno that tells why, if any does."""
    if isinstance(error, OSError):
        return error.errno
    if isinstance(error, sqlite3.OperationalError):
        return _OF_SQLITE.get(error.sqlite_errorcode & 0xFF)  # the rest of it details the error
    found = _OF_SAFETENSORS.search(str(error))
    return int(found[1]) if found else None


def _concerns(name: str | bytes | int | None, path: Path) -> bool:
    """Whether what an error names is `path`, a folder above it, something in it, or its hidden stand-in."""
    if not isinstance(name, str):
        return True  # who writes to an open file is not told its name
    named, path = Path(name).absolute(), path.absolute()
    if path.is_relative_to(named):
        return True
    if not named.is_relative_to(path.parent):
        return False
    first = named.relative_to(path.parent).parts[0]
    return first == path.name or first.startswith(f".{path.name}.")
