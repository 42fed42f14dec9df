"""The rows nearest to queries, with the order that double precision gives them.

Milvus compares in single precision and gives a few rows more than are wanted, those that a condition rules out left
out here. These are compared again. Only where a row that it left out might belong among them, more rows are asked for,
and beyond what Milvus gives at once all rows are gone through.
"""

from collections.abc import Set
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from closegap.errors import needs
from closegap.search.filter import Filter, holds
from closegap.search.milvus.rows import arrays, paged, row_of
from closegap.search.milvus.state import Part, State
from closegap.search.ordered import MORE, ordered, rounding
from closegap.search.row import Row

with needs("milvus"):
    from pymilvus import MilvusClient, MilvusException

_AT_ONCE = 4096  # rows that a search gives, of which Milvus allows 16,384, in messages of 64 MB
_BYTES = 32 * 2**20
_PAGE = 1000
_TIMEOUT = 60.0

Best: TypeAlias = tuple[Float[np.ndarray, "m"], list[Row]]
"""Inner products and rows, best first."""


def nearest(
    client: MilvusClient, state: State, part: Part, queries: Float[np.ndarray, "q d"], k: int, condition: Filter | None
) -> list[Best]:
    """The `k` nearest to each query, or as many as there are."""
    found: dict[int, Best] = {}
    asked, most = k + MORE, min(_AT_ONCE, _BYTES // (8 * part.width + 2048))
    while asked <= most and len(found) < len(queries):
        waiting = [number for number in range(len(queries)) if number not in found]
        several = most // asked
        for block in (waiting[start : start + several] for start in range(0, len(waiting), several)):
            answers = client.search(
                part.collection,
                list(queries[block]),
                limit=asked,
                filter=state.alive,
                output_fields=["place", "known"],
                search_params={"metric_type": "IP"},
                consistency_level="Strong",
                timeout=_TIMEOUT,
            )
            vectors = _vectors(client, part, {hit["entity"]["place"] for answer in answers for hit in answer})
            for number, answer in zip(block, answers, strict=True):
                best = _certain(answer, vectors, part, queries[number], k, condition)
                if best is not None:
                    found[number] = best
        asked *= 4
    for number in range(len(queries)):
        if number not in found:
            found[number] = _through_all(client, state, part, queries[number].astype(np.float64), k, condition)
    return [found[number] for number in range(len(queries))]


def _vectors(client: MilvusClient, part: Part, places: Set[int]) -> dict[int, Any]:
    """The vectors of rows that are there. They never change: whatever replica has them all will do, at once.

    A search that gives vectors, too, has some servers wait for a second tick.
    """
    found: dict[int, Any] = {}
    for level in ("Eventually", "Strong"):
        if found.keys() != places:
            rows = client.query(
                part.collection,
                filter=f"place in {sorted(places)}",
                output_fields=["place", "vector"],
                consistency_level=level,
                timeout=_TIMEOUT,
            )
            found = {row["place"]: row["vector"] for row in rows}
    if found.keys() != places:
        raise MilvusException(message="rows that a search found are not there")
    return found


def _certain(
    hits: Any,
    given: dict[int, Any],
    part: Part,
    query: Float[np.ndarray, "d"],
    k: int,
    condition: Filter | None,
) -> Best | None:
    """The best of what Milvus gave; None where a row that it left out might be one of them."""
    rows = {hit["entity"]["place"]: row_of(hit["entity"]) for hit in hits}
    fit = [place for place, row in rows.items() if _fits(condition, row)]
    vectors, at = arrays([{"place": place, "vector": given[place]} for place in fit], part.width)
    scores, places = ordered(vectors, query.astype(np.float64), at, k)
    if len(hits) == part.count or (len(places) == k and scores[-1] > hits[-1]["distance"] + rounding(query)):
        return scores, [rows[int(place)] for place in places]
    return None


def _through_all(
    client: MilvusClient, state: State, part: Part, query: Float[np.ndarray, "d"], k: int, condition: Filter | None
) -> Best:
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
