"""Real Milvus servers, a process of milvus-lite's or the standalone, with collections of its own for every index."""

import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from pymilvus import MilvusClient, MilvusException

from closegap.search import MilvusIndex

LITE = (
    sys.executable,
    "-m",
    "milvus_lite",
    "server",
    "--data-dir",
    "{folder}",
    "--host",
    "127.0.0.1",
    "--port",
    "{port}",
)
STANDALONE = ("milvus-server", "--data", "{folder}", "--proxy-port", "{port}")


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
        """Whether a collection, or a file of the index, holds some bytes, or the text that they are kept as.

        The standalone's files are named by numbers, and stay until it collects its garbage: its collections tell.
        """
        text = b64encode(content)[: len(content) // 3 * 4]
        kept = [
            path.read_bytes() for path in self.folder.rglob("*") if self.name(folder) in str(path) and path.is_file()
        ]
        with self.connected() as client:
            for name in client.list_collections():
                if name.startswith(self.name(folder)):
                    every = client.query_iterator(name, output_fields=["*"])
                    while rows := every.next():
                        kept += [_content(value) for row in rows for value in row.values()]
                    every.close()
        return any(content in one or text in one for one in kept)

    @contextmanager
    def connected(self) -> Iterator[MilvusClient]:
        client = MilvusClient(f"http://127.0.0.1:{self.port}", timeout=10, dedicated=True)
        try:
            yield client
        finally:
            client.close()


def _content(value: object) -> bytes:
    return np.asarray(value, np.float32).tobytes() if isinstance(value, list) else str(value).encode()


class Running:
    """A server that can be killed and started again.

    Args:
        folder: of its data.
        command: that starts it, with {folder} and {port}.
    """

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = Server(folder, free.getsockname()[1])
        self._command = [part.format(folder=folder, port=self.address.port) for part in command]
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet, start_new_session=True)
        end = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.1)

    def _answers(self) -> bool:
        with suppress(MilvusException), self.address.connected() as client:
            client.list_collections()
            return True
        return False

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # the standalone is a child of what starts it
        self._process.wait()


@contextmanager
def running(command: Sequence[str] = LITE) -> Iterator[Running]:
    with TemporaryDirectory() as folder:
        server = Running(Path(folder), command)
        try:
            yield server
        finally:
            server.kill()
