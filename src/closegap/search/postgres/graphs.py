"""HNSW graphs of partitions: made of all rows at once, which is many times quicker than row by row.

A graph that is there takes in what is added, row by row. Before so many rows come that it is quicker made anew it is
dropped; until the next `build_graphs`, searches compare all rows.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from closegap.errors import ClosegapError, ClosegapWarning, needs
from closegap.progress import Progress
from closegap.search.postgres.connections import Connections

with needs("postgres"):
    from psycopg import Connection

_WIDTHS = {"vector": 2000, "halfvec": 4000}  # of which pgvector makes graphs
_BYTES = {"vector": 4, "halfvec": 2}
_NEIGHBOURS = 720  # bytes of a row in a graph that is being made, beside its vector: measured
_MANY = 10_000  # rows, from which on making a graph anew is quicker than adding to it
_EVERY = 1.0  # seconds between looks at how far it is
_MISSING = """
SELECT number, name, width, count, type FROM partitions, state WHERE hnsw AND graphed = 0 AND count > 0 ORDER BY number
"""
_DONE = "SELECT blocks_done, blocks_total FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)"


@dataclass(frozen=True)
class _Partition:
    """One that has no graph, of so many rows of a type of vector."""

    number: int
    name: str
    width: int
    count: int
    kind: str

    @property
    def table(self) -> str:
        return f"rows_{self.number}"


def build_graphs(connections: Connections, progress: Progress | None = None) -> None:
    """Make the graphs that are missing, one after the other; who reads goes on meanwhile, who writes waits.

    Args:
        connections: to an index.
        progress: called with (rows done, rows to do).

    Warns:
        ClosegapWarning: the server has too little memory set aside to make one quickly.
    """
    with connections.view() as connection:
        missing = [_Partition(*row) for row in connection.execute(_MISSING)]
    missing = [one for one in missing if one.width <= _WIDTHS[one.kind]]
    done, total = 0, sum(one.count for one in missing)
    for one in missing:
        told = None if progress is None else _told(progress, done, one.count, total)
        with connections.change() as connection, _watched(connections, one.table, told):
            _build(connection, one)
        done += one.count
        if progress is not None:
            progress(done, total)


def drop_graph(connection: Connection[Any], number: int) -> None:
    """Drop a partition's graph, if there is one; who reads is waited for."""
    connection.execute(f"DROP INDEX IF EXISTS {_graph(number)}")
    connection.execute("UPDATE partitions SET graphed = 0 WHERE number = %s", [number])


def make_way(connection: Connection[Any], number: int, coming: int) -> None:
    """Drop a partition's graph if the rows that are coming make it quicker to make it anew.

    Args:
        connection: the only one to write.
        number: of the partition.
        coming: how many rows.
    """
    query = "SELECT count, graphed FROM partitions WHERE number = %s"
    count, graphed = connection.execute(query, [number]).fetchone() or (0, 0)
    if graphed and count + coming - graphed > max(graphed, _MANY):
        drop_graph(connection, number)


def _graph(number: int) -> str:
    """Its name, that PostgreSQL itself gave it when it was made with the partition."""
    return f"rows_{number}_vector_idx"


def _build(connection: Connection[Any], one: _Partition) -> None:
    connection.execute("SET LOCAL client_connection_check_interval = '5s'")  # of a caller who was killed
    still = connection.execute("SELECT 1 FROM partitions WHERE number = %s AND graphed = 0", [one.number]).fetchone()
    if still is None:
        return
    _expect_memory(connection, one)
    column = f"(vector::{one.kind}({one.width})) {one.kind}_ip_ops"
    connection.execute(f"CREATE INDEX {_graph(one.number)} ON {one.table} USING hnsw ({column})")
    connection.execute("UPDATE partitions SET graphed = count WHERE number = %s", [one.number])


def _expect_memory(connection: Connection[Any], one: _Partition) -> None:
    query = "SELECT pg_size_bytes(current_setting('maintenance_work_mem')), current_setting('maintenance_work_mem')"
    held, shown = connection.execute(query).fetchone() or (0, "")
    needed = one.count * (one.width * _BYTES[one.kind] + _NEIGHBOURS)
    if needed > held:
        megabytes = -(-needed // 2**20)
        warnings.warn(
            f"{one.name}: a graph of {one.count:,} rows takes {megabytes:,} MB while it is made, and beyond the "
            f"server's maintenance_work_mem ({shown}) it is slow; where there is room, ALTER ROLE "
            f"{connection.info.user} SET maintenance_work_mem = '{megabytes}MB'",
            ClosegapWarning,
            stacklevel=2,
        )


def _told(progress: Progress, before: int, count: int, total: int) -> Callable[[float], None]:
    return lambda share: progress(before + int(share * count), total)


@contextmanager
def _watched(connections: Connections, table: str, told: Callable[[float], None] | None) -> Iterator[None]:
    """Tell meanwhile which share of a table the server has gone through."""
    if told is None:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY):
            with suppress(ClosegapError), connections.view() as connection:
                done, blocks = connection.execute(_DONE, [table]).fetchone() or (0, 0)
                if blocks:
                    told(done / blocks)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()
