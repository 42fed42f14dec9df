"""Which engine keeps an index, told by where it is."""

from importlib import import_module
from inspect import isabstract
from pathlib import Path
from typing import Literal

from closegap.errors import UsageError
from closegap.search.index import Index

_FOLDER = "closegap.search.embedded.index.EmbeddedIndex"
_ALIASES = {
    "postgresql": "closegap.search.postgres.index.PostgresIndex",
    "postgres": "closegap.search.postgres.index.PostgresIndex",
    "milvus": "closegap.search.milvus.index.MilvusIndex",
}


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


def _engine(path: str) -> type[Index]:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be imported ({error}); expected the import path of an Index") from error
    if not (isinstance(found, type) and issubclass(found, Index) and not isabstract(found)):
        raise UsageError(f"{path}: is no Index that can be opened; expected the import path of one")
    return found
