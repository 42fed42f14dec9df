"""Adding and forgetting rows, inside a transaction that is the only one to write."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from closegap.errors import DataError, needs
from closegap.search.ordered import fingerprint
from closegap.search.postgres.graphs import make_way
from closegap.search.postgres.schema import make_partition
from closegap.search.row import Batch

with needs("postgres"):
    from pgvector import HalfVector, Vector
    from psycopg import Connection
    from psycopg.types.json import Jsonb

_COPY = (
    "COPY rows (partition, place, id, case_id, group_id, payload, preview, digest, vector) FROM STDIN (FORMAT BINARY)"
)
_COLUMNS = ("int4", "int8", "text", "text", "text", "jsonb", "bytea", "bytea")


def insert_batch(connection: Connection[Any], name: str, batch: Batch, kind: str) -> int:
    """Append the rows of a batch that are not there as they are; those that they replace are forgotten.

    Args:
        connection: the only one to write.
        name: of the partition, which is made if need be.
        batch: checked.
        kind: the type of the vectors in the tables.

    Returns:
        How many rows were appended.

    Raises:
        DataError: the partition was made meanwhile, with another width.
    """
    vectors = batch.vectors.astype(np.float16) if kind == "halfvec" else batch.vectors
    number = _partition(connection, name, vectors.shape[1])
    previews = [bytes(preview) for preview in batch.previews or [b""] * len(batch.rows)]
    digests = [fingerprint(*known) for known in zip(batch.rows, vectors, previews, strict=True)]
    query = "SELECT id, digest FROM rows WHERE partition = %s AND id = ANY (%s)"
    there = dict(connection.execute(query, [number, [row.id for row in batch.rows]], binary=True).fetchall())
    added = [place for place, row in enumerate(batch.rows) if there.get(row.id) != digests[place]]
    replaced = [batch.rows[place].id for place in added if batch.rows[place].id in there]
    forget(connection, "partition = %s AND id = ANY (%s)", [number, replaced])
    make_way(connection, number, len(added))
    query = "UPDATE state SET next = next + %s RETURNING next"
    stop = int((connection.execute(query, [len(added)]).fetchone() or (0,))[0])
    wrapped = HalfVector if kind == "halfvec" else Vector
    with connection.cursor().copy(_COPY) as copy:
        copy.set_types([*_COLUMNS, kind])
        for at, place in enumerate(added, stop - len(added)):
            row = batch.rows[place]
            known = (row.id, row.case, row.group, Jsonb(dict(row.payload)), previews[place], digests[place])
            copy.write_row((number, at, *known, wrapped(vectors[place])))
    connection.execute("UPDATE partitions SET count = count + %s WHERE number = %s", [len(added), number])
    return len(added)


def forget(connection: Connection[Any], condition: str, values: Sequence[Any]) -> int:
    """How many rows were deleted that satisfy a condition."""
    query = f"""
    WITH gone AS (DELETE FROM rows WHERE {condition} RETURNING partition)
    SELECT partition, count(*) FROM gone GROUP BY partition
    """
    counts = connection.execute(query, values).fetchall()
    for number, count in counts:
        connection.execute("UPDATE partitions SET count = count - %s WHERE number = %s", [count, number])
    total: int = sum(count for _, count in counts)
    connection.execute("UPDATE state SET unpurged = unpurged + %s", [total])
    return total


def forget_partition(connection: Connection[Any], name: str) -> None:
    """Drop a partition's table, with all that is in it; who reads is waited for."""
    found = connection.execute("DELETE FROM partitions WHERE name = %s RETURNING number", [name]).fetchone()
    if found:
        connection.execute(f"DROP TABLE rows_{found[0]}")


def _partition(connection: Connection[Any], name: str, width: int) -> int:
    found = connection.execute("SELECT number, width FROM partitions WHERE name = %s", [name]).fetchone()
    if found is None:
        return make_partition(connection, name, width)
    if found[1] != width:
        raise DataError(
            f"{name}: vectors of width {width} given, expected {found[1]}; embed with the index's own model"
        )
    return int(found[0])
