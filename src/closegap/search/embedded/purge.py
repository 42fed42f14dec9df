"""Erasing what was deleted: files of vectors are written anew without it, and the database is compacted."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from closegap.files import remove
from closegap.lock import locked
from closegap.search.embedded.codes import write_codes
from closegap.search.embedded.database import Database
from closegap.search.embedded.insert import new_file
from closegap.search.embedded.rows import append, mapped
from closegap.search.embedded.state import CODED, TYPES, Partition, State, Storage

_BLOCK = 8192  # rows copied at a time
_TO_BELOW_ZERO = """
UPDATE {table} SET position = -1 - place FROM (
    SELECT position AS old, row_number() OVER (ORDER BY position) - 1 AS place FROM rows WHERE partition = ?1
) WHERE partition = ?1 AND position = old
"""


def purge(database: Database, folder: Path) -> None:
    """Leave in the folder no byte of rows that are not there, nor of corrections but the newest.

    Raises:
        ClosegapError: the index is being purged, or others did not stop using it for a minute.
    """
    with locked(folder, "index purge"):
        with database.change() as connection:
            state = State.read(connection, folder)
            for partition in state.partitions.values():
                _rewrite(connection, folder, partition, state.storage)
            for table in ("corrections", "versions"):
                connection.execute(f"DELETE FROM {table} WHERE version < (SELECT max(version) FROM versions)")
        remove_unnamed(database, folder)
        database.compact()
        with database.change(bump=False) as connection:
            connection.execute("UPDATE state SET unpurged = (SELECT count(*) FROM dead)")


def remove_unnamed(database: Database, folder: Path) -> None:
    """Delete files of vectors, codes and lists that no partition has any more; who reads them meanwhile looks again."""
    with database.change(bump=False) as connection:
        tables = ("partitions", "codes", "lists")
        named = {file for table in tables for (file,) in connection.execute(f"SELECT file FROM {table}")}
        for path in (path for kind in ("vectors", "codes", "order") for path in folder.glob(f"*.{kind}")):
            if path.name not in named:
                remove(path)


def _rewrite(connection: sqlite3.Connection, folder: Path, partition: Partition, storage: Storage) -> None:
    """Give a partition a file without its deleted rows, and what a kill left behind them; the others move up."""
    file = new_file(connection, partition.number)
    count = partition.count - len(partition.dead)
    append(folder / file, 0, _alive(partition), partition.width, TYPES[storage])
    if storage in CODED:
        rows = mapped(folder / file, count, partition.width)
        coded = new_file(connection, partition.number, "codes")
        write_codes(connection, folder, partition.number, rows, coded, storage == "ivf")
    values = [file, count, partition.number]
    connection.execute("UPDATE partitions SET file = ?, count = ? WHERE number = ?", values)
    for table in ("previews", "rows"):
        connection.execute(_TO_BELOW_ZERO.format(table=table), [partition.number])
    for table in ("previews", "rows"):
        connection.execute(f"UPDATE {table} SET position = -1 - position WHERE position < 0")
    connection.execute("DELETE FROM dead WHERE partition = ?", [partition.number])


def _alive(partition: Partition) -> Iterator[Float[np.ndarray, "n d"]]:
    for start in range(0, partition.count, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, partition.count))
        yield partition.vectors[np.setdiff1d(places, partition.dead)]
