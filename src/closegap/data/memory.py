"""What was found in files, remembered until they change."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from closegap.files import digest
from closegap.kinds.base import Kind
from closegap.kinds.names import name_of
from closegap.kinds.place import Place

_LOG = logging.getLogger(__name__)
MEMORY = "memory.sqlite3"
"""Where in the cache it is."""

_CHUNK = 256  # names in one question to the database

Fact = Literal["digest", "sound"]
"""What is remembered of an item: the digest of its fingerprint, or that nothing is wrong with it."""


@dataclass(frozen=True)
class Stamp:
    """An item as it was when something was found out about it.

    Args:
        name: a digest of its kind and of where it is, from which no path can be read.
        size: of the file, in bytes.
        mtime_ns: when the file last changed.
    """

    name: str
    size: int = 0
    mtime_ns: int = 0


def cache_folder() -> Path:
    """$CLOSEGAP_CACHE, or ~/.cache/closegap."""
    given = os.environ.get("CLOSEGAP_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "closegap"


def private_folder(path: Path) -> Path:
    """The folder, made for its owner's eyes alone where it was not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def stamp_of(kind: Kind, place: Place) -> Stamp | None:
    """The item there as it is now; None where there is no file."""
    try:
        status = place.file.stat()
    except (OSError, ValueError):
        return None
    name = digest(name_of(kind).encode(), os.fsencode(place.file.absolute()), place.part.encode())
    return Stamp(name, status.st_size, status.st_mtime_ns)


def recall(fact: Fact, stamps: Iterable[Stamp]) -> dict[Stamp, str]:
    """What is known of these items, of those of which something is."""
    wanted, known = set(stamps), dict[Stamp, str]()

    def read(memory: sqlite3.Connection) -> None:
        for chunk in _chunks([stamp.name for stamp in wanted]):
            marks = ",".join("?" * len(chunk))
            rows = memory.execute(f"SELECT name, size, mtime_ns, found FROM {fact} WHERE name IN ({marks})", chunk)
            known.update({stamp: row[3] for row in rows if (stamp := Stamp(*row[:3])) in wanted})

    if wanted:
        _with_memory(read)
    return known


def remember(fact: Fact, found: Mapping[Stamp, str]) -> None:
    """Keep what was found."""
    rows = [(stamp.name, stamp.size, stamp.mtime_ns, value) for stamp, value in found.items()]
    if rows:
        _with_memory(lambda memory: memory.executemany(f"INSERT OR REPLACE INTO {fact} VALUES (?, ?, ?, ?)", rows))


def _with_memory(action: Callable[[sqlite3.Connection], object]) -> None:
    """Run `action` on what is remembered, or go on without where no memory can be kept."""
    file = cache_folder() / MEMORY
    try:
        private_folder(file.parent)
        try:
            _run(file, action)
        except sqlite3.OperationalError:  # read-only, full, locked for too long: somebody else's to mend
            raise
        except sqlite3.DatabaseError:  # no database any more; it holds nothing that cannot be found again
            file.unlink(missing_ok=True)
            _run(file, action)
    except (OSError, sqlite3.Error) as error:
        _LOG.warning(
            "%s: items are checked at every start, for this file cannot be kept (%s); set CLOSEGAP_CACHE", file, error
        )


def _run(file: Path, action: Callable[[sqlite3.Connection], object]) -> None:
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would let everybody read it
    with closing(sqlite3.connect(file, timeout=30)) as memory, memory:
        for fact in ("digest", "sound"):
            memory.execute(
                f"CREATE TABLE IF NOT EXISTS {fact} (name TEXT PRIMARY KEY, size INT, mtime_ns INT, found TEXT)"
            )
        action(memory)


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _CHUNK):
        yield names[start : start + _CHUNK]
