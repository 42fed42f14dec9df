"""Where an index lies in a Milvus server, told by a URL, of which no password is ever shown."""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from closegap.errors import UsageError

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PORT = 19530
TOKEN = "MILVUS_TOKEN"
"""The variable with user:password, or a key, for addresses that name no user."""


@dataclass(frozen=True)
class Address:
    """A server, or a file of milvus-lite, and the name of an index in it.

    Args:
        uri: what pymilvus connects to.
        token: user and password, a secret; empty for none.
        database: of the server.
        name: of the index, before the names of its collections.
        shown: what messages say.
    """

    uri: str
    token: str = field(repr=False)
    database: str
    name: str
    shown: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """What `milvus://user:password@host:port` says, or `milvus:///path/to/file.db`, with the keys `name`,
        `database` and `secure`.

        Raises:
            UsageError: it cannot be read; the message does not hold it.
        """  # noqa: D205
        try:
            parts = urlsplit(url)
            keys = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            host, port = parts.hostname, parts.port or _PORT
        except ValueError:
            raise _unreadable() from None
        name, database, secure = keys.pop("name", "closegap"), keys.pop("database", ""), keys.pop("secure", "false")
        if keys or secure not in ("true", "false") or bool(host) == (len(parts.path) > 1):
            raise _unreadable()
        if not _NAME.fullmatch(name):
            raise UsageError(f"name={name[:80]!r}: expected up to 63 small letters, digits and _; choose another")
        if host is None:
            return cls(unquote(parts.path), "", database, name, f"milvus://{parts.path}?name={name}")
        host = f"[{host}]" if ":" in host else host
        named = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        token = named or os.environ.get(TOKEN, "")
        uri = f"{'https' if secure == 'true' else 'http'}://{host}:{port}"
        return cls(uri, token, database, name, f"milvus://{host}:{port}?name={name}")

    def __str__(self) -> str:
        return self.shown


def _unreadable() -> UsageError:
    return UsageError(
        "the address of a Milvus server cannot be read; expected milvus://user:password@host:port, or "
        "milvus:///file.db of milvus-lite, and keys name=, database=, secure=true; / ? @ : % in a password are written "
        "%2F %3F %40 %3A %25"
    )
