"""The user's cache: what is in it, and how to be rid of it."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from sqlite3 import Error

from filelock import ReadWriteLock, Timeout

from closegap.data.memory import MEMORY, cache_folder, private_folder
from closegap.errors import ClosegapError

_LOCK = ".lock"
_FOLDERS = {"features": "features of a tower", "rocov2": "images of a table"}
_FILES = {MEMORY: "digests of items"}
_UNKNOWN = "of another version"


@dataclass(frozen=True)
class CacheEntry:
    """A part of the cache that can go by itself.

    Args:
        name: below the cache folder: of a tower's features, the digest of its weights and preparation.
        what: it holds.
        size: in bytes.
        written: when its youngest file was written, in seconds since 1970.
    """

    name: str
    what: str
    size: int
    written: float

    def is_named(self, name: str) -> bool:
        """Whether this is its name, or how the last part of it begins."""
        return bool(name) and (self.name == name or Path(self.name).name.startswith(name))


def private_cache(folder: str) -> Path:
    """A folder of the cache, for its owner's eyes alone, and not pruned while this process lives."""
    found = cache_folder() / folder
    with suppress(OSError, Error):  # where nothing can be written, nothing can be pruned
        private_folder(cache_folder())
        private_folder(found)
        _hold(cache_folder())
    return found


def cache_entries() -> list[CacheEntry]:
    """What is in the cache, oldest first.

    Raises:
        ClosegapError: the cache is no folder.
    """
    root = cache_folder()
    if not root.exists():
        return []
    if not root.is_dir():
        raise ClosegapError(f"{root}: not a folder; set CLOSEGAP_CACHE to one")
    parts = {path: _UNKNOWN if path.is_dir() else _FILES.get(path.name, _UNKNOWN) for path in root.iterdir()}
    for name, what in _FOLDERS.items():
        if parts.pop(root / name, None) is not None:
            parts |= dict.fromkeys((root / name).iterdir(), what)
    found = [_entry(path, what, root) for path, what in parts.items() if not path.name.startswith(_LOCK)]
    return sorted(found, key=lambda entry: (entry.written, entry.name))


def chosen_entries(
    entries: Sequence[CacheEntry],
    now: float,
    names: Iterable[str] = (),
    older_than: float | None = None,
    max_size: float | None = None,
) -> list[CacheEntry]:
    """Those that are to go: named ones, old ones, and the oldest of the others until the rest is small enough.

    Args:
        entries: oldest first.
        now: in seconds since 1970.
        names: names, or beginnings of their last part.
        older_than: days.
        max_size: bytes that may stay.
    """

    def unwanted(entry: CacheEntry) -> bool:
        named = any(map(entry.is_named, names))
        return named or (older_than is not None and now - entry.written >= older_than * 86400)

    going = [entry for entry in entries if unwanted(entry)]
    if max_size is not None:
        staying = [entry for entry in entries if entry not in going]
        while sum(entry.size for entry in staying) > max_size:
            going.append(staying.pop(0))
    return going


def prune_cache(entries: Iterable[CacheEntry]) -> None:
    """Delete entries.

    Raises:
        ClosegapError: a process uses the cache.
    """
    root = cache_folder()
    try:
        with ReadWriteLock(root / _LOCK, is_singleton=False).write_lock(timeout=0):
            for entry in entries:
                path = root / entry.name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except Timeout as error:
        raise ClosegapError(f"{root}: in use by a command or a notebook; prune it when they have ended") from error


@cache
def _hold(root: Path) -> ReadWriteLock:
    lock = ReadWriteLock(root / _LOCK, is_singleton=False)
    lock.acquire_read(timeout=1)
    return lock


def _entry(path: Path, what: str, root: Path) -> CacheEntry:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    known = [file.stat() for file in files]
    written = max((status.st_mtime for status in known), default=path.stat().st_mtime)
    return CacheEntry(str(path.relative_to(root)), what, sum(status.st_size for status in known), written)
