"""A real Milvus server: a process of milvus-lite's, with collections of its own for every index."""

import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from closegap.search import MilvusIndex


@dataclass(frozen=True)
class Server:
    """Opens the index of a folder; other processes can, too.

    Args:
        folder: of the server's data.
        port: of the server.
    """

    folder: Path
    port: int

    def __call__(self, folder: Path, mode: Literal["read", "write"]) -> MilvusIndex:
        return MilvusIndex(self.url(folder), mode)

    def url(self, folder: Path) -> str:
        return f"milvus://127.0.0.1:{self.port}?name={self.name(folder)}"

    def name(self, folder: Path) -> str:
        return f"i{sha256(str(folder).encode()).hexdigest()[:20]}"

    def keeps(self, folder: Path, content: bytes) -> bool:
        """Whether a file of the index holds some bytes, or the text that they are kept as."""
        text = b64encode(content)[: len(content) // 3 * 4]
        files = [
            path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and self.name(folder) in str(path)
        ]
        return any(content in file or text in file for file in files)


class Running:
    """A server that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = Server(folder, free.getsockname()[1])
        self.start()

    def start(self) -> None:
        given = ["--data-dir", str(self.address.folder), "--host", "127.0.0.1", "--port", str(self.address.port)]
        command = [sys.executable, "-m", "milvus_lite", "server", *given]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.address.port)).close()
                return
            except OSError:
                assert time.monotonic() < end, "the server does not start"
                time.sleep(0.1)

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running() -> Iterator[Running]:
    with TemporaryDirectory() as folder:
        server = Running(Path(folder))
        try:
            yield server
        finally:
            server.kill()
