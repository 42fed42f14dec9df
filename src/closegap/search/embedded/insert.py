"""Adding rows to the folder of an index, inside a transaction of its database."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from closegap.errors import DataError
from closegap.search.embedded.codes import append_codes
from closegap.search.embedded.rows import append, mapped
from closegap.search.embedded.state import CODED, TYPES
from closegap.search.row import Batch, Row

_THERE = """
SELECT position, case_id, group_id, payload, coalesce(content, x'')
FROM rows LEFT JOIN previews USING (partition, position) WHERE partition = ? AND id = ?
"""


def insert_batch(connection: sqlite3.Connection, folder: Path, name: str, batch: Batch) -> int:
    """Append the rows of a batch that are not there as they are; those that they replace are forgotten.

    Args:
        connection: the only one to write.
        folder: of the index.
        name: of the partition, which is made if need be.
        batch: checked.

    Returns:
        How many rows were appended.

    Raises:
        DataError: the partition was made meanwhile, with another width.
    """
    number, width, count, file = _partition(connection, name, batch.vectors.shape[1])
    storage = connection.execute("SELECT storage FROM state").fetchone()[0]
    kind = TYPES[storage]
    given = batch.vectors.astype(kind)
    vectors = mapped(folder / file, count, width, kind) if count else given[:0]
    previews = [bytes(preview) for preview in batch.previews or [b""] * len(batch.rows)]
    added, replaced = [], []
    for place, (row, preview) in enumerate(zip(batch.rows, previews, strict=True)):
        if there := connection.execute(_THERE, [number, row.id]).fetchone():
            at, *kept = there
            if kept == [row.case, row.group, _json(row), preview] and (vectors[at] == given[place]).all():
                continue
            replaced.append((number, at))
        added.append(place)
    forget(connection, replaced)
    if added:
        append(folder / file, count, [given[added]], width, kind)
        if storage in CODED:
            rows = mapped(folder / file, count + len(added), width)
            append_codes(
                connection, folder, number, rows, len(added), new_file(connection, number, "codes"), storage == "ivf"
            )
        values = []
        for at, place in enumerate(added, count):
            row = batch.rows[place]
            values.append((number, at, row.id, row.case, row.group, _json(row)))
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", values)
        shown = [(number, at, previews[place]) for at, place in enumerate(added, count) if previews[place]]
        connection.executemany("INSERT INTO previews VALUES (?, ?, ?)", shown)
        connection.execute("UPDATE partitions SET count = ? WHERE number = ?", [count + len(added), number])
    return len(added)


def forget(connection: sqlite3.Connection, places: Sequence[tuple[int, int]]) -> None:
    """Take rows out of the database, by partition and place; their vectors lie in the files still."""
    connection.executemany("DELETE FROM rows WHERE partition = ? AND position = ?", places)
    connection.executemany("DELETE FROM previews WHERE partition = ? AND position = ?", places)
    connection.executemany("INSERT INTO dead VALUES (?, ?)", places)
    connection.execute("UPDATE state SET unpurged = unpurged + ?", [len(places)])


def forget_partition(connection: sqlite3.Connection, name: str) -> None:
    """Take a partition out of the database; its vectors lie in a file still."""
    found = connection.execute("SELECT number FROM partitions WHERE name = ?", [name]).fetchone()
    if found is None:
        return
    gone = connection.execute("SELECT count(*) FROM rows WHERE partition = ?", found).fetchone()
    connection.execute("UPDATE state SET unpurged = unpurged + ?", gone)
    for table in ("rows", "previews", "dead", "codes", "lists"):
        connection.execute(f"DELETE FROM {table} WHERE partition = ?", found)
    connection.execute("DELETE FROM partitions WHERE number = ?", found)


def new_file(connection: sqlite3.Connection, number: int, kind: str = "vectors") -> str:
    """A name for a partition's vectors, or its codes, that no committed state has had."""
    connection.execute("UPDATE state SET files = files + 1")
    return f"{number}-{connection.execute('SELECT files FROM state').fetchone()[0]}.{kind}"


def _partition(connection: sqlite3.Connection, name: str, width: int) -> tuple[int, int, int, str]:
    query = "SELECT number, width, count, file FROM partitions WHERE name = ?"
    found: tuple[int, int, int, str] | None = connection.execute(query, [name]).fetchone()
    if found is None:
        number = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM partitions").fetchone()[0]
        found = number, width, 0, new_file(connection, number)
        connection.execute("INSERT INTO partitions VALUES (?, ?, ?, ?, ?)", [number, name, *found[1:]])
    if found[1] != width:
        raise DataError(
            f"{name}: vectors of width {width} given, expected {found[1]}; embed with the index's own model"
        )
    return found


def _json(row: Row) -> str:
    return json.dumps(dict(row.payload), ensure_ascii=False, sort_keys=True)
