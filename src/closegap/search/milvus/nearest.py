"""The rows nearest to a query, with the order that double precision gives them.

Milvus compares in single precision and gives a few rows more than are wanted, those that a condition rules out left
out here. These are compared again. Only where a row that it left out might belong among them, more rows are asked for,
and beyond what Milvus gives at once all rows are gone through.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.errors import needs
from closegap.search.filter import Filter, holds
from closegap.search.milvus.rows import arrays, paged, row_of
from closegap.search.milvus.state import Part, State
from closegap.search.ordered import MORE, ordered, rounding
from closegap.search.row import Row

with needs("milvus"):
    from pymilvus import MilvusClient

_AT_ONCE = 4096  # rows that a search gives, of which Milvus allows 16,384, in messages of 64 MB
_BYTES = 32 * 2**20
_PAGE = 1000
_TIMEOUT = 60.0


def nearest(
    client: MilvusClient, state: State, part: Part, query: Float[np.ndarray, "d"], k: int, condition: Filter | None
) -> tuple[Float[np.ndarray, "m"], list[Row]]:
    """Inner products and rows, best first, of the `k` nearest or as many as there are."""
    double, off = query.astype(np.float64), rounding(query)
    asked, most = k + MORE, min(_AT_ONCE, _BYTES // (8 * part.width + 2048))
    while asked <= most:
        [found] = client.search(
            part.collection,
            [query],
            limit=asked,
            filter=state.alive,
            output_fields=["place", "known", "vector"],
            search_params={"metric_type": "IP"},
            consistency_level="Strong",
            timeout=_TIMEOUT,
        )
        entities = [hit["entity"] for hit in found]
        rows = {entity["place"]: row_of(entity) for entity in entities}
        fit = [entity for entity in entities if _fits(condition, rows[entity["place"]])]
        vectors, at = arrays(fit, part.width)
        scores, places = ordered(vectors, double, at, k)
        whole = len(found) < asked
        if whole or (len(places) == k and scores[-1] > found[-1]["distance"] + off):
            return scores, [rows[int(place)] for place in places]
        asked *= 4
    return _through_all(client, state, part, double, k, condition)


def _through_all(
    client: MilvusClient, state: State, part: Part, query: Float[np.ndarray, "d"], k: int, condition: Filter | None
) -> tuple[Float[np.ndarray, "m"], list[Row]]:
    best, at = np.empty(0), np.empty(0, np.int64)
    rows: dict[int, Row] = {}
    block: list[dict[str, Any]] = []

    def take() -> None:
        nonlocal best, at, rows
        vectors, places = arrays(block, part.width)
        scores, close = ordered(vectors, query, places, k)
        best, at = np.concatenate([best, scores]), np.concatenate([at, close])
        order = np.lexsort((at, -best))[:k]
        best, at = best[order], at[order]
        known = {**rows, **{one["place"]: one["row"] for one in block}}
        rows = {int(place): known[int(place)] for place in at}
        block.clear()

    for entity in paged(client, part.collection, state.alive, ["known", "vector"], _PAGE):
        row = row_of(entity)
        if _fits(condition, row):
            block.append({**entity, "row": row})
        if len(block) == _PAGE:
            take()
    take()
    return best, [rows[int(place)] for place in at]


def _fits(condition: Filter | None, row: Row) -> bool:
    return condition is None or holds(condition, row.values)
