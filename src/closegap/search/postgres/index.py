"""The engine in a PostgreSQL database, with pgvector."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from closegap.errors import UsageError, needs
from closegap.progress import Progress
from closegap.search.filter import Filter
from closegap.search.index import Index, unknown
from closegap.search.postgres.address import Address
from closegap.search.postgres.connections import Connections
from closegap.search.postgres.graphs import build_graphs
from closegap.search.postgres.insert import forget, forget_partition, insert_batch
from closegap.search.postgres.nearest import Searched
from closegap.search.postgres.purge import purge
from closegap.search.postgres.schema import check, migrate
from closegap.search.postgres.sql import where as expression
from closegap.search.row import Batch, Found, Row, Stats

with needs("postgres"):
    from psycopg import Connection

_TABLES = ("state", "partitions", "versions", "corrections")
_STATS = f"""
SELECT (SELECT unpurged FROM state), (SELECT coalesce(max(version), 0) FROM versions),
       (SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_partition_tree('rows'))
       + {" + ".join(f"pg_total_relation_size('{table}')" for table in _TABLES)}, row_security_active('rows')
"""


class PostgresIndex(Index):
    """An index in a schema of a database, for as many readers as like to, and one at a time that writes.

    A search that is exact compares all rows in single precision, and the best again in double; one that is not goes
    through an HNSW graph, if the index was made with graphs and `optimize` has been called. A server that went away is
    an UnavailableError; the same index goes on when it is back. Threads share up to eight connections.

    Args:
        url: of libpq, `postgresql://user@host:port/database`, and `?schema=NAME` (`closegap` by default), for a new
            index `vectors=float16` and `hnsw=true`.
        mode: "read" one that is there, or "write" to one, which is made if need be.

    Raises:
        UsageError: no index to read, another mode, an address that cannot be read.
        ClosegapError: a role that may not do so.
        DataError: the schema holds something else, or tables of another version.
        UnavailableError: the server does not answer.
    """

    def __init__(self, url: str, mode: Literal["read", "write"] = "read") -> None:
        if mode not in ("read", "write"):
            raise UsageError(f"mode: {mode!r} given, expected 'read' or 'write'")
        self._address, self._mode = Address.of(url), mode
        self._connections = Connections(self._address)
        try:
            if mode == "write":
                migrate(self._connections)
            self._kind = check(self._connections)
        except BaseException:
            self._connections.close()
            raise

    def __repr__(self) -> str:
        return f"PostgresIndex({self._address.shown!r}, {self._mode!r})"

    def corrections(self, version: int | None = None) -> dict[str, bytes]:
        """See `Index.corrections`."""
        with self._connections.view() as connection:
            newest = _version(connection)
            wanted = newest if version is None else version
            known = connection.execute("SELECT 1 FROM versions WHERE version = %s", [wanted]).fetchone()
            if version is not None and known is None:
                raise UsageError(
                    f"corrections: no version {version}, the newest is {newest}; name one that was not purged"
                )
            query = "SELECT name, content FROM corrections WHERE version = %s ORDER BY name"
            return dict(connection.execute(query, [wanted], binary=True).fetchall())

    def ids(self, partition: str, cases: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
        """See `Index.ids`."""
        with self._in(partition) as (connection, number):
            query, values = f"SELECT id FROM rows WHERE partition = {number}", list[Any]()
            if cases is not None:
                query, values = f"{query} AND case_id = ANY (%s)", [list(cases)]
            found = connection.execute(f"{query} ORDER BY place LIMIT %s", [*values, limit])
            return [name for (name,) in found]

    def read(self, partition: str, ids: Sequence[str]) -> Batch:
        """See `Index.read`."""
        with self._in(partition) as (connection, number):
            query = f"""
            SELECT id, case_id, group_id, payload, preview, vector FROM rows
            WHERE partition = {number} AND id = ANY (%s)
            """
            found = {row[0]: row for row in connection.execute(query, [list(ids)], binary=True)}
            width = connection.execute("SELECT width FROM partitions WHERE number = %s", [number]).fetchone()
        rows = [found[name] for name in ids if name in found]
        vectors = np.empty((len(rows), width[0] if width else 0), np.float32)
        for at, row in enumerate(rows):
            vectors[at] = row[5].to_numpy()
        return Batch([Row(*row[:4]) for row in rows], vectors, [row[4] for row in rows])

    def purge(self) -> None:
        """See `Index.purge`. Write-ahead logs and backups of the server keep what they have; graphs are dropped."""
        self._expect_writing()
        purge(self._connections)

    def optimize(self, progress: Progress | None = None) -> None:
        """See `Index.optimize`. Graphs are made where there are none; that of a million rows takes minutes."""
        self._expect_writing()
        build_graphs(self._connections, progress)

    def stats(self) -> Stats:
        """See `Index.stats`. Under row-level security, what its role may see is counted."""
        with self._connections.view() as connection:
            partitions = connection.execute(
                "SELECT number, name, width, count FROM partitions ORDER BY number"
            ).fetchall()
            found = connection.execute(_STATS).fetchone()
            assert found is not None
            unpurged, version, size, secured = found
            counts = {number: count for number, _, _, count in partitions}
            if secured:
                seen = connection.execute("SELECT partition, count(*) FROM rows GROUP BY partition").fetchall()
                counts = {**dict.fromkeys(counts, 0), **dict(seen)}
        return Stats(
            {name: width for _, name, width, _ in partitions},
            {name: counts[number] for number, name, _, _ in partitions},
            unpurged,
            version,
            int(size),
        )

    def close(self) -> None:
        """See `Index.close`."""
        self._connections.close()

    def insert(self, batches: Mapping[str, Batch]) -> int:
        """See `Index.add`."""
        self._expect_writing()
        if not batches:
            return 0
        with self._connections.change() as connection:
            return sum(insert_batch(connection, name, batch, self._kind) for name, batch in batches.items())

    def nearest(
        self, partition: str, queries: Float[np.ndarray, "q d"], k: int, where: Filter | None, exact: bool
    ) -> Found:
        """See `Index.search`."""
        with self._in(partition) as (connection, number):
            searched = Searched(connection, number, self._kind, where)
            found = [searched.nearest(query, k, exact) for query in queries]
            places = sorted({int(place) for _, at in found for place in at})
            query = f"""
            SELECT place, id, case_id, group_id, payload FROM rows WHERE partition = {number} AND place = ANY (%s)
            """
            rows = {row[0]: Row(*row[1:]) for row in connection.execute(query, [places], binary=True)}
        scores = np.full((len(found), max((len(at) for _, at in found), default=0)), -np.inf, np.float32)
        for number, (best, _) in enumerate(found):
            scores[number, : len(best)] = best
        return Found(scores, [[rows[int(place)] for place in at] for _, at in found])

    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        """See `Index.delete`."""
        self._expect_writing()
        members = "case_id = ANY (%s) OR case_id IN (SELECT case_id FROM rows WHERE group_id = ANY (%s))"
        with self._connections.change() as connection:
            return forget(connection, members, [list(cases), list(groups)])

    def discard_partition(self, partition: str) -> None:
        """See `Index.drop`."""
        self._expect_writing()
        with self._connections.change() as connection:
            forget_partition(connection, partition)

    def matching(self, partition: str, where: Filter | None) -> int:
        """See `Index.count`."""
        condition, values = expression(where)
        with self._in(partition) as (connection, number):
            query = f"SELECT count(*) FROM rows WHERE partition = {number} AND {condition}"
            return int((connection.execute(query, values).fetchone() or (0,))[0])

    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        """See `Index.put_corrections`."""
        self._expect_writing()
        with self._connections.change() as connection:
            version = _version(connection) + 1
            connection.execute("INSERT INTO versions VALUES (%s)", [version])
            for name, content in files.items():
                connection.execute("INSERT INTO corrections VALUES (%s, %s, %b)", [version, name, content])
            return version

    def _expect_writing(self) -> None:
        if self._mode != "write":
            raise UsageError(f"{self._address}: was opened to be read; open it with mode='write'")

    @contextmanager
    def _in(self, partition: str) -> Iterator[tuple["Connection[Any]", int]]:
        """A connection that sees one committed state, and the partition's number in it."""
        with self._connections.view() as connection:
            found = dict(connection.execute("SELECT name, number FROM partitions").fetchall())
            if partition not in found:
                raise UsageError(unknown(partition, found))
            yield connection, found[partition]


def _version(connection: "Connection[Any]") -> int:
    return int((connection.execute("SELECT coalesce(max(version), 0) FROM versions").fetchone() or (0,))[0])
