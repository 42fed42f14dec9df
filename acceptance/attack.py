"""The bytes of a request, and how requests to a service are put together."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Attack:
    """The bytes of a request.

    Args:
        pieces: sent one after the other.
        refused: whether it must not succeed.
        half: whether the connection is dropped without reading.
        may_close: whether the service may close it without a word.
    """

    pieces: tuple[bytes, ...]
    refused: bool = False
    half: bool = False
    may_close: bool = False


def request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, host: str = "localhost"
) -> bytes:
    """An HTTP request whose connection is closed after it."""
    lines = {
        "Host": host,
        "Connection": "close",
        **({"Content-Length": str(len(body))} if body else {}),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body


def search(content: Any) -> bytes:
    """A question in JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode("utf-8", "surrogatepass")
    return request("POST", "/v1/search", body, {"Content-Type": "application/json"})


def form(image: bytes, query: str = "{}", name: str = "a.png", field: str = "image") -> bytes:
    """A question with an image."""
    line = b"--BOUND\r\nContent-Disposition: form-data; name="
    body = line + b'"query"\r\n\r\n' + query.encode() + b"\r\n"
    body += (
        line
        + f'"{field}"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'.encode()
        + image
        + b"\r\n--BOUND--\r\n"
    )
    return request("POST", "/v1/search", body, {"Content-Type": "multipart/form-data; boundary=BOUND"})


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that declares a size, whatever it holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
