"""The rows nearest to a query, with the order that double precision gives them.

PostgreSQL compares in single precision and gives a few rows more than are wanted. These are compared again. Only where
a row that it left out might belong among them, since scores are as close as single precision rounds, all that come so
close are gone through again: there are many rows of equal vectors, such as the same sentence in many reports.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closegap.errors import needs
from closegap.search.filter import Filter
from closegap.search.ordered import MORE, ordered, rounding
from closegap.search.postgres.sql import where

with needs("postgres"):
    from pgvector import HalfVector, Vector
    from psycopg import Connection

_BLOCK = 4096  # rows fetched at a time
_MOST_LOOKED_AT = 1000  # hnsw.ef_search, that pgvector allows
_AT_LEAST = 200
_SETTINGS = """
SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true),
       set_config('hnsw.max_scan_tuples', '100000', true)
"""


@dataclass(frozen=True)
class Searched:
    """A partition as it is searched.

    Args:
        connection: that sees one committed state.
        number: of the partition.
        kind: the type of its vectors.
        condition: on its rows.
    """

    connection: Connection[Any]
    number: int
    kind: str
    condition: Filter | None

    def nearest(
        self, query: Float[np.ndarray, "d"], k: int, exact: bool
    ) -> tuple[Float[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """Inner products and places of the `k` nearest rows, or of as many as there are, best first."""
        double, off = query.astype(np.float64), rounding(query)
        if not exact:
            _, _, found, places = self._rows(self._graph(len(query)), self._asked(query, k), k)
            return ordered(found, double, places, k)
        # Adding 0 keeps the planner from an index, which would leave rows out.
        distance = "(vector::vector <#> %s) + 0"
        taken = k + MORE
        count, rough, vectors, places = self._rows(distance, Vector(query), taken)
        scores, best = ordered(vectors, double, places, k)
        if count < taken or scores[-1] > rough[-1] + off:
            return scores, best
        return self._through_all(distance, query, float(scores[-1]) - off, k)

    def _graph(self, width: int) -> str:
        return f"vector::{self.kind}({width}) <#> %s"

    def _asked(self, query: Float[np.ndarray, "d"], k: int) -> Vector | HalfVector:
        self.connection.execute(_SETTINGS, [str(min(max(2 * k, _AT_LEAST), _MOST_LOOKED_AT))])
        return HalfVector(query.astype(np.float16)) if self.kind == "halfvec" else Vector(query)

    def _rows(
        self, distance: str, query: Vector | HalfVector, k: int
    ) -> tuple[int, Float[np.ndarray, "m"], Float[np.ndarray, "m d"], Int[np.ndarray, "m"]]:
        """How many were found, and their scores, vectors and places; by rising distance."""
        condition, values = where(self.condition)
        text = f"""
        SELECT place, vector, {distance} FROM rows WHERE partition = {self.number} AND {condition}
        ORDER BY {distance} LIMIT %s
        """
        found = self.connection.execute(text, [query, *values, query, k], binary=True).fetchall()
        return len(found), np.array([-row[2] for row in found]), *_arrays(found, query.dimensions())

    def _through_all(
        self, distance: str, query: Float[np.ndarray, "d"], least: float, k: int
    ) -> tuple[Float[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """The `k` best of all rows, none of which is below `least` in single precision."""
        condition, values = where(self.condition)
        text = f"""
        SELECT place, vector FROM rows WHERE partition = {self.number} AND {condition} AND {distance} <= %s::float8
        """
        best, at = np.empty(0), np.empty(0, np.int64)
        with self.connection.cursor("close", binary=True) as cursor:
            cursor.execute(text, [*values, Vector(query), -least])
            while found := cursor.fetchmany(_BLOCK):
                vectors, places = _arrays(found, len(query))
                scores, close = ordered(vectors, query.astype(np.float64), places, k)
                best, at = np.concatenate([best, scores]), np.concatenate([at, close])
                order = np.lexsort((at, -best))[:k]
                best, at = best[order], at[order]
        return best, at


def _arrays(found: list[Any], width: int) -> tuple[Float[np.ndarray, "m d"], Int[np.ndarray, "m"]]:
    vectors = [np.asarray(row[1].to_numpy(), np.float32) for row in found]
    places = np.array([row[0] for row in found], np.int64)
    return np.stack(vectors) if vectors else np.empty((0, width), np.float32), places
