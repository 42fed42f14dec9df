"""Services in processes of their own, on archives of generated embeddings."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_PATIENCE = 600  # machines may be busy


@dataclass(frozen=True)
class Served:
    """A service that answers."""

    port: int
    process: subprocess.Popen[bytes]
    said: Path
    tls: ssl.SSLContext | None = None

    def client(self, key: str = "") -> httpx.Client:
        """Somebody with a key, or without."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        address = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        return httpx.Client(base_url=address, headers=headers, timeout=60, verify=self.tls or True)


@contextmanager
def served(archive: Path, *options: str, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """`closegap serve` on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "closegap", "serve", str(archive), "--port", str(port), *options]
    said = archive.with_name(f"{archive.name}-{port}.txt")
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | {"OMP_NUM_THREADS": "1"})
    found = Served(port, process, said, tls)
    try:
        until = time.monotonic() + _PATIENCE
        while not _answers(found):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(said.read_text())
            time.sleep(0.1)
        yield found
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)


def _answers(found: Served) -> bool:
    try:
        with found.client() as client:
            return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
