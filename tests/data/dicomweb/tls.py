"""TLS before a server that speaks none, as a proxy would end it.

Debian's Orthanc 1.10.1 ends with a segmentation fault at its first request over TLS, whatever the certificate.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread


@contextmanager
def in_front_of(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """The port of this machine where the server behind another one is reached by TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Forward(BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),  # a handshake that the client breaks off
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", port)) as inside,
            ):
                back = Thread(target=_copied, args=(inside, outside), daemon=True)
                back.start()
                _copied(outside, inside)
                back.join(10)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Forward) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _copied(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until nothing does."""
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
