"""The SQLite file of an index: what is committed, whoever looks at it, is what stands here."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closegap.disk import writing
from closegap.errors import ClosegapError, DataError
from closegap.search.embedded.sql import prepare

_MARK = 0x636C6770  # the application id, "clgp"
_SCHEMA = 2
_PATIENCE = 60.0  # seconds that a writer waits for another, or a purge for readers
_TABLES = f"""
CREATE TABLE state (generation INTEGER, unpurged INTEGER, files INTEGER, storage TEXT);
CREATE TABLE partitions (number INTEGER PRIMARY KEY, name TEXT UNIQUE, width INTEGER, count INTEGER, file TEXT);
CREATE TABLE rows (
    partition INTEGER, position INTEGER, id TEXT, case_id TEXT, group_id TEXT, payload TEXT,
    PRIMARY KEY (partition, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX by_id ON rows (partition, id);
CREATE INDEX by_case ON rows (case_id);
CREATE INDEX by_group ON rows (group_id);
CREATE TABLE previews (partition INTEGER, position INTEGER, content BLOB, PRIMARY KEY (partition, position));
CREATE TABLE dead (partition INTEGER, position INTEGER, PRIMARY KEY (partition, position)) WITHOUT ROWID;
CREATE TABLE codes (
    partition INTEGER PRIMARY KEY, file TEXT, error REAL, length REAL, trained INTEGER, middle BLOB, step BLOB
);
CREATE TABLE versions (version INTEGER PRIMARY KEY);
CREATE TABLE corrections (version INTEGER, name TEXT, content BLOB, PRIMARY KEY (version, name));
PRAGMA application_id = {_MARK};
PRAGMA user_version = {_SCHEMA};
"""
_SINCE = "CREATE TABLE IF NOT EXISTS lists (partition INTEGER PRIMARY KEY, file TEXT, starts BLOB, centres BLOB)"
"""What files of this version that were made before it came lack; only who writes asks for it unseen."""


class Database:
    """Connections to the file, one a thread; what is deleted in it is overwritten with zeros.

    Args:
        path: the file; it must be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._closed = False

    @classmethod
    def create(cls, path: Path, storage: str) -> None:
        """Make the file with its tables, in one transaction; leave one as it is that has tables."""
        database = cls(path)
        try:
            with writing(path):
                connection = database.connection(create=True)
                if not _has_tables(connection):
                    connection.execute("PRAGMA journal_mode = WAL")
                    with database.change(bump=False):
                        if not _has_tables(connection):
                            for statement in _TABLES.split(";"):
                                connection.execute(statement)
                            connection.execute("INSERT INTO state VALUES (0, 0, 0, ?)", [storage])
                connection.execute(_SINCE)
        except sqlite3.DatabaseError as error:
            raise DataError(f"{path}: no index ({error}); name another folder") from error
        finally:
            database.close()

    def check(self) -> None:
        """Refuse a file that is no index, or one of a later version.

        Raises:
            DataError: the file is something else.
        """
        try:
            mark, schema = (
                self.connection().execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path}: no index ({error}); build it anew") from error
        if mark != _MARK:
            raise DataError(f"{self.path}: no index of closegap; name the folder of one")
        if schema != _SCHEMA:
            raise DataError(f"{self.path}: version {schema} of the files, expected {_SCHEMA}; use the closegap of then")

    def connection(self, create: bool = False) -> sqlite3.Connection:
        """This thread's connection."""
        if self._closed:
            raise ClosegapError(f"{self.path.parent}: the index was closed; open it anew")
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            address = f"{self.path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
            found = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            found.execute("PRAGMA synchronous = FULL")
            found.execute("PRAGMA secure_delete = ON")
            prepare(found)
            self._local.connection = found
            self._all.append(found)
        return found

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one committed state, the newest when it began."""
        connection = self.connection()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")

    @contextmanager
    def change(self, bump: bool = True) -> Iterator[sqlite3.Connection]:
        """A connection that is the only one to write; all that is done in here is seen at its end, or nothing.

        Raises:
            ClosegapError: another process went on writing for a minute, or the disk refuses.
        """
        with writing(self.path):
            connection = self.connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                raise ClosegapError(
                    f"{self.path.parent}: another process has been writing for {_PATIENCE:.0f} s; wait until it is done"
                ) from None
            try:
                yield connection
                if bump:
                    connection.execute("UPDATE state SET generation = generation + 1")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def compact(self) -> None:
        """Leave no byte in the file, and none in its log, that is not of a row.

        Raises:
            ClosegapError: another process did not stop reading or writing for a minute.
        """
        in_use = f"{self.path.parent}: in use for {_PATIENCE:.0f} s; purge again later"
        with writing(self.path):
            try:
                self.connection().execute("VACUUM")
                busy = self.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                raise ClosegapError(in_use) from error
        if busy:
            raise ClosegapError(in_use)

    def close(self) -> None:
        """Close all connections; a second time, too."""
        self._closed = True
        while self._all:
            self._all.pop().close()


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
