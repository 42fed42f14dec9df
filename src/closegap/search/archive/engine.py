"""An archive whose rows lie in another engine: whose they are there, how they get there, and how they are given up.

The index at an address knows its archive by an id, which stands among its corrections. An address belongs to one
archive; copies of the archive's folder, on other machines, are the same archive.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from closegap.errors import DataError, UnavailableError, UsageError
from closegap.progress import Progress
from closegap.search.archive.about import About, Engine
from closegap.search.archive.adding import copy_rows
from closegap.search.embedded.index import EmbeddedIndex
from closegap.search.engines import expect_trusted, open_index
from closegap.search.index import Index

INDEX = "index"
"""Folder in an archive's, of the default engine."""

_OWNER = "archive"


def opened_index(
    folder: Path, about: About, mode: Literal["read", "write"] = "read", trusted: tuple[str, ...] = ()
) -> Index:
    """The index that an archive keeps its rows in.

    Raises:
        UsageError: the address is another archive's, or its class is not trusted.
    """
    if about.engine is None:
        return EmbeddedIndex(folder / INDEX, mode)
    expect_trusted(about.engine.address, trusted)
    index = open_index(about.engine.address, mode)
    try:
        expect_own(index.corrections(), about.engine)
    except BaseException:
        index.close()
        raise
    return index


def signed(files: Mapping[str, bytes], engine: Engine | None) -> dict[str, bytes]:
    """Corrections as an index keeps them: in another engine with the archive's id."""
    return dict(files) if engine is None else {**files, _OWNER: engine.id.encode()}


def expect_own(files: Mapping[str, bytes], engine: Engine | None) -> dict[str, bytes]:
    """Corrections without the id.

    Raises:
        UsageError: they are another archive's.
    """
    if engine is not None and files.get(_OWNER) != engine.id.encode():
        raise UsageError(
            f"{engine.address}: holds the rows of another archive, or of none; build this one again, elsewhere"
        )
    return {name: content for name, content in files.items() if name != _OWNER}


def reserve(engine: Engine, try_only: bool = False) -> None:
    """Make the index of an archive that is being built, or find the one that was made for it.

    Args:
        engine: of the archive.
        try_only: whether to make an empty one that is nobody's yet.

    Raises:
        UsageError: the address is another archive's.
        UnavailableError: the server does not answer.
    """
    with open_index(engine.address, "write") as index:
        held = index.corrections()
        if held.get(_OWNER) == engine.id.encode():
            return
        if held or any(index.stats().rows.values()):
            raise UsageError(
                f"{engine.address}: holds the rows of another archive; give another schema= (PostgreSQL) or name= "
                "(Milvus), or erase what is there"
            )
        if not try_only:
            index.put_corrections(signed({}, engine))


def release(engine: Engine) -> None:
    """Take back what `reserve` put down, of an archive that is refused; an engine that is gone keeps it."""
    with suppress(UnavailableError), open_index(engine.address, "write") as index:
        if index.corrections().get(_OWNER) == engine.id.encode():
            index.put_corrections({})


def settle(index: Index, engine: Engine, progress: Progress | None = None) -> None:
    """Copy an archive's index to its engine; after a kill, again: what is there already is not written twice.

    Args:
        index: with all rows and the corrections that hold.
        engine: that was reserved.
        progress: called with (rows done, rows to do).
    """
    with open_index(engine.address, "write") as into:
        expect_own(into.corrections(), engine)
        for name in into.stats().widths:
            if name not in index.stats().widths:  # of a map that was fitted before a kill
                into.drop(name)
        copy_rows(index, into, list(index.stats().widths), progress)
        into.optimize(progress)
        into.put_corrections(signed(index.corrections(), engine))


def give_up(folder: Path, trusted: tuple[str, ...] = ()) -> None:
    """Erase what an archive that is about to be deleted keeps in another engine; the address is free from then on."""
    with suppress(UsageError, DataError):  # what is not this archive's stays
        about = About.read(folder)
        if about.engine is None:
            return
        with opened_index(folder, about, "write", trusted) as index:
            for name in index.stats().widths:
                index.drop(name)
            index.put_corrections({})
            index.purge()
