"""What a service is told when it starts; its worker processes read it from their environment."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path

VARIABLE = "CLOSEGAP_SERVE"


@dataclass(frozen=True)
class Settings:
    """Of one service.

    Args:
        archive: the folder.
        host: the address that is bound.
        port: likewise.
        keys: file of the keys; None for none, on loopback alone.
        log: file of the audit log; None for none.
        names: further host names by which clients may call it.
        workers: processes.
        rate: requests a second that a key may make, over all workers.
        burst: requests that it may make at once.
        upload: bytes of a request with images.
        pixels: of an image.
        most: hits of an answer.
        body_seconds: that a client may take to send a request.
        grace: seconds that requests may take to end when the service is stopped.
        certificate: file of a TLS certificate; None for plain HTTP.
        certificate_key: file of its key.
        trusted: import paths of further parts of the archive's model that may be loaded.
        shared: file of what workers share, which ends with the service; None for one worker, who needs none.
        secret: hex; what opaque names are made with.
    """

    archive: str
    host: str = "127.0.0.1"
    port: int = 8000
    keys: str | None = None
    log: str | None = None
    names: tuple[str, ...] = ()
    workers: int = 1
    rate: float = 10.0
    burst: int = 40
    upload: int = 16 * 2**20
    pixels: int = 50_000_000
    most: int = 200
    body_seconds: float = 20.0
    grace: int = 30
    certificate: str | None = None
    certificate_key: str | None = None
    trusted: tuple[str, ...] = ()
    shared: str | None = None
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def put(self) -> None:
        """Leave them where worker processes find them."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def taken(cls) -> "Settings":
        """What `put` left."""
        said = json.loads(os.environ[VARIABLE])
        return cls(**said | {"names": tuple(said["names"]), "trusted": tuple(said["trusted"])})

    @property
    def folder(self) -> Path:
        """Of the archive."""
        return Path(self.archive)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
