"""The processes of a service: uvicorn with limits on what a client may hold open."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from closegap.search.service.settings import Settings
from closegap.search.service.shared import in_memory

_IDLE = 5  # seconds that a connection without a request is kept
_HEAD = 10.0  # seconds that the head of a request may take
_CONNECTIONS = 512
_STARTING = 120  # seconds that a worker may be silent, as while it imports on a busy machine, before it is replaced


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for the head of a request for a limited time."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; wait where the head is not whole yet."""
        super().data_received(data)
        running = self.cycle is not None and not self.cycle.response_complete
        if running:
            self._stop()
        elif self._head is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._head = self.loop.call_later(_HEAD, self._give_up)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


def serve(settings: Settings) -> None:
    """Answer until the process is told to stop; requests that are being answered then end.

    Args:
        settings: of the service.
    """
    with TemporaryDirectory(prefix="closegap-serve-", dir=in_memory()) as folder:
        replace(settings, shared=str(Path(folder) / "shared.sqlite")).put()
        figures = Path(folder) / "figures"
        figures.mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(figures)
        uvicorn.run(
            "closegap.search.service.app:application",
            factory=True,
            host=settings.host.strip("[]"),
            port=settings.port,
            workers=settings.workers,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=settings.grace,
            timeout_worker_healthcheck=_STARTING,
            limit_concurrency=_CONNECTIONS,
            h11_max_incomplete_event_size=32 * 2**10,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.certificate_key,
        )
