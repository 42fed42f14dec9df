"""Which engine keeps an index, told by where it is."""

from collections.abc import Sequence
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from closegap.errors import UsageError
from closegap.search.index import Index

_FOLDER = "closegap.search.embedded.index.EmbeddedIndex"
_ALIASES = {
    "postgresql": "closegap.search.postgres.index.PostgresIndex",
    "postgres": "closegap.search.postgres.index.PostgresIndex",
    "milvus": "closegap.search.milvus.index.MilvusIndex",
}
_SECRETS = ("password", "sslpassword", "token")


def open_index(where: Path | str, mode: Literal["read", "write"] = "read") -> Index:
    """The index in a folder, or at an address.

    Args:
        where: a folder; `postgresql://user@host/database`, `milvus://host:port`; or, for an engine of yours, its import
            path before an address of its own: `my_package.MyIndex://somewhere` is `MyIndex("somewhere", mode)`.
        mode: "read" one that is there, or "write" to one, which is made if need be.

    Raises:
        UsageError: no such engine, no index to read, another mode.

    Example:
        >>> folder = getfixture("tmp_path") / "archive"
        >>> with open_index(f"closegap.search.EmbeddedIndex://{folder}", "write") as index:
        ...     version = index.put_corrections({"map": b"1"})
        >>> with open_index(folder) as index:
        ...     index.corrections()
        {'map': b'1'}
    """
    scheme, found, rest = str(where).partition("://")
    if not found:
        return _engine(_FOLDER)(where, mode)  # type: ignore[call-arg]
    if scheme in _ALIASES:
        return _engine(_ALIASES[scheme])(str(where), mode)  # type: ignore[call-arg]
    if "." in scheme:
        return _engine(scheme)(rest, mode)  # type: ignore[call-arg]
    known = ", ".join(f"{name}://" for name in _ALIASES)
    raise UsageError(f"{scheme[:80]}://: no such engine; expected a folder, {known}, or yours as my_package.MyIndex://")


def expect_public(address: str) -> None:
    """Refuse an address that cannot be written down.

    Raises:
        UsageError: it is none, or holds a password; the message does not hold it.
    """
    if "://" not in address:
        raise UsageError(f"--engine {address[:80]}: no address; expected postgresql://host/database or milvus://host")
    try:
        parts = urlsplit(address)
        secret = bool(parts.password) or any(key in _SECRETS for key, _ in parse_qsl(parts.query))
    except ValueError:
        raise UsageError(
            "--engine: the address cannot be read; expected postgresql://user@host:port/database"
        ) from None
    if secret:
        raise UsageError(
            "--engine: the address holds a password, which the archive would keep; leave it out and put it into "
            "~/.pgpass or PGPASSWORD (PostgreSQL) or MILVUS_TOKEN=user:password (Milvus)"
        )


def expect_trusted(address: str, trusted: Sequence[str]) -> None:
    """Refuse an address that names a class of somebody else's, which opening would import.

    Raises:
        UsageError: the class is not trusted.
    """
    scheme = address.partition("://")[0]
    if "." in scheme and not scheme.startswith("closegap.") and scheme not in trusted:
        raise UsageError(f"the archive's engine is {scheme[:200]}, which is not trusted; name it in `trusted`")


def _engine(path: str) -> type[Index]:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be imported ({error}); expected the import path of an Index") from error
    if not (isinstance(found, type) and issubclass(found, Index) and not isabstract(found)):
        raise UsageError(f"{path}: is no Index that can be opened; expected the import path of one")
    return found
