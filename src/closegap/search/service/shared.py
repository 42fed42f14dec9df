"""What the workers of a service share: a small database, in memory where the system has such a file system."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closegap.disk import writing

_TABLES = """
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS buckets (client TEXT PRIMARY KEY, tokens REAL NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    number INTEGER PRIMARY KEY, token TEXT UNIQUE NOT NULL, until REAL NOT NULL, question BLOB NOT NULL
);
"""
_PATIENCE = 10  # seconds that a worker waits for others
_MEMORY = Path("/dev/shm")


def in_memory() -> Path | None:
    """A folder whose files are on no disk; None where the system has none, and its temporary folder has to do."""
    return _MEMORY if _MEMORY.is_dir() else None


class Shared:
    """What holds for all workers; times in it are of the machine's monotonic clock.

    Args:
        path: of the database, which ends with the service; None for one of this process alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = Path("memory") if path is None else path
        self._lock = threading.Lock()
        with writing(self._path):
            self._database = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_TABLES)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction, which no other worker is in at the same time.

        Raises:
            ClosegapError: there is no room for it.
        """
        with self._lock, writing(self._path), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database

    def close(self) -> None:
        """Let go of it."""
        self._database.close()
