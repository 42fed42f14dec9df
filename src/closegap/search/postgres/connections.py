"""Connections to a PostgreSQL server, lent to threads, and what their failures are called."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from closegap.errors import ClosegapError, UnavailableError, needs
from closegap.search.postgres.address import Address
from closegap.search.postgres.payload import loads

with needs("postgres"):
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg import Connection, errors
    from psycopg.types.json import set_json_loads

_MOST = 8  # connections of a process
_PATIENCE = 60  # seconds that a writer waits for another, or a thread for a connection
_DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 60_000,
    "application_name": "closegap",
}
_VIEW = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE rows IN ACCESS SHARE MODE"
_CHANGE = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '{_PATIENCE}s'"


class Connections:
    """At most eight, opened when they are needed; those that a server broke off are replaced.

    Args:
        address: of the index.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._idle: list[Connection[Any]] = []
        self._free = threading.Semaphore(_MOST)
        self._guard = threading.Lock()
        self._closed = False

    @contextmanager
    def view(self) -> Iterator[Connection[Any]]:
        """A connection that sees one committed state, the newest when it began.

        Its locks come before its snapshot: a purge, which waits for who reads and has who comes wait, moves rows in a
        way that older snapshots do not see.

        Raises:
            UnavailableError: the server does not answer, or breaks off.
        """
        with self._transaction(_VIEW) as connection:
            yield connection

    @contextmanager
    def change(self) -> Iterator[Connection[Any]]:
        """A connection that is the only one to write; all that is done in here is seen at its end, or nothing.

        Raises:
            UnavailableError: the server does not answer, or breaks off.
            ClosegapError: another process went on writing for a minute, or the role may not write.
        """
        with self._transaction(_CHANGE) as connection:
            connection.execute("SELECT FROM state FOR UPDATE")
            yield connection

    @contextmanager
    def bare(self) -> Iterator[Connection[Any]]:
        """A connection in a transaction, before there are tables."""
        with self._transaction(_CHANGE) as connection:
            yield connection

    def close(self) -> None:
        """Close all that are idle, and the others when they are given back."""
        self._closed = True
        self.renew()

    def renew(self) -> None:
        """Close those that are idle; what the server has got meanwhile is seen by new ones."""
        with self._guard:
            gone, self._idle = self._idle, []
        for connection in gone:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection[Any]]:
        with self._told(), self._lent(begin) as connection:
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if not connection.broken and not connection.closed:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _lent(self, begin: str) -> Iterator[Connection[Any]]:
        if not self._free.acquire(timeout=_PATIENCE):
            raise UnavailableError(f"{self.address}: all {_MOST} connections are busy; ask again later")
        try:
            connection = self._begun(begin)
            try:
                yield connection
            finally:
                if connection.broken or connection.closed or self._closed:
                    connection.close()
                    self.renew()
                else:
                    with self._guard:
                        self._idle.append(connection)
        finally:
            self._free.release()

    def _begun(self, begin: str) -> Connection[Any]:
        """A connection with an open transaction: an idle one, if the server still knows it."""
        while True:
            if self._closed:
                raise ClosegapError(f"{self.address}: the index was closed; open it anew")
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._opened()
                connection.execute(begin)
                return connection
            try:
                connection.execute(begin)
                return connection
            except psycopg.OperationalError:
                connection.close()
                self.renew()

    def _opened(self) -> Connection[Any]:
        known = psycopg.conninfo.conninfo_to_dict(self.address.conninfo)
        given: dict[str, Any] = {**_DEFAULTS, **known, "client_encoding": "utf8"}
        connection = psycopg.connect(autocommit=True, **given)
        try:
            query = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = %s"
            found = connection.execute(query, ["vector"]).fetchone()
            path = ", ".join(f'"{name}"' for name in (self.address.schema, *(found or ())))
            connection.execute("SELECT set_config('search_path', %s, false)", [path])
            if found:
                register_vector(connection)
            set_json_loads(loads, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the server says, as an error of ours, in one line, without a password."""
        try:
            yield
        except errors.LockNotAvailable:
            raise ClosegapError(
                f"{self.address}: others have been using it for {_PATIENCE} s; wait until they are done"
            ) from None
        except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as error:
            raise ClosegapError(f"{self.address}: {self._said(error)}; ask who administers the database") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise UnavailableError(
                f"{self.address}: the server does not answer ({self._said(error)}); ask again when it does"
            ) from None

    def _said(self, error: psycopg.Error) -> str:
        said = " ".join(str(error.diag.message_primary or error).split())[:300]
        return said.replace(self.address.password, "***") if self.address.password else said
