"""The rows nearest to queries, with the order that double precision gives them.

faiss compares all rows in float32, or their codes, and gives more than are wanted. These are compared again in double
precision. Only where a row that faiss left out might belong among them, since scores are as close as float32 or codes
round, more are asked for, and at last all rows gone through again: there are many rows of equal vectors, such as the
same sentence in many reports.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from closegap.errors import needs
from closegap.search.embedded.codes import Codes
from closegap.search.embedded.scan import scanned
from closegap.search.ordered import MORE, ordered, rounding

with needs("search"):
    import faiss

_BLOCK = 8192  # rows copied at a time
_FEW = 20  # queries below which faiss multiplies no matrices, and skips rows at no cost
_NEAR = 64  # the same, of lists alone, where codes off by so little hardly hide a row
_CODED = (1024, 16_384)  # rows that are compared again beyond those that are wanted, where codes were compared


def nearest(
    rows: Float[np.ndarray, "n d"],
    queries: Float[np.ndarray, "q d"],
    k: int,
    allowed: Bool[np.ndarray, "n"] | None,
    codes: Codes | None = None,
) -> tuple[Float[np.ndarray, "q m"], Int[np.ndarray, "q m"]]:
    """Inner products and places of the `k` nearest rows, or of as many as there are, best first.

    Args:
        rows: that are searched, in float32 or float16.
        queries: finite.
        k: at least 1.
        allowed: the rows that may be found; all by default.
        codes: of the rows, which are compared in their place if there are any.
    """
    places = None if allowed is None else np.flatnonzero(allowed)
    there = len(rows) if places is None else len(places)
    wanted = min(k, there)
    scores = np.empty((len(queries), wanted), np.float32)
    found = np.empty((len(queries), wanted), np.int64)
    left = np.arange(len(queries))  # queries whose rows are not certain
    best = np.full(len(queries), -np.inf)
    for more in _CODED if codes is not None else (MORE,):
        if not wanted or not len(left):
            return scores, found
        taken, asked = min(k + more, there), queries[left]
        if codes is not None:
            rough, candidates, off = codes.nearest(asked, taken, allowed)
        else:
            rough, candidates = _rough(rows, asked, taken, allowed, places)
            off = np.array([rounding(query) for query in asked.astype(np.float64)])
        for number, query, at, by, far in zip(left, asked.astype(np.float64), candidates, rough, off, strict=True):
            close = at
            if codes is not None:
                first = at[: k + MORE]
                close = at[by >= ordered(rows[first], query, first, wanted)[0][-1] - far]
            of_query, found[number] = ordered(rows[close], query, close, wanted)
            scores[number], best[number] = of_query, of_query[-1]
        left = left[(taken < there) & (best[left] <= rough[:, -1] + off)]
    for number, query in zip(left, queries[left].astype(np.float64), strict=True):
        least = best[number] - rounding(query)
        scores[number], found[number] = _through_all(rows, query, least, wanted, places)
    return scores, found


def near(
    rows: Float[np.ndarray, "n d"],
    queries: Float[np.ndarray, "q d"],
    k: int,
    allowed: Bool[np.ndarray, "n"] | None,
    codes: Codes | None = None,
) -> tuple[Float[np.ndarray, "q m"], Int[np.ndarray, "q m"]]:
    """As `nearest`, of the lists near each query alone, where there are lists and enough rows in these.

    What is found is ranked by double precision; a row of another list may be missing.
    """
    there = len(rows) if allowed is None else int(np.count_nonzero(allowed))
    wanted = min(k, there)
    if codes is None or codes.lists is None or not wanted:
        return nearest(rows, queries, k, allowed, codes)
    scores, found = np.empty((len(queries), wanted), np.float32), np.empty((len(queries), wanted), np.int64)
    for number, query in enumerate(queries):
        close = codes.near(query, min(wanted + _NEAR, there), allowed)
        if close is None or len(close) < wanted:
            of_query, at = nearest(rows, query[None], k, allowed, codes)
        else:
            of_query, at = ordered(rows[close], query.astype(np.float64), close, wanted)
        scores[number], found[number] = of_query, at
    return scores, found


def _rough(
    rows: Float[np.ndarray, "n d"],
    queries: Float[np.ndarray, "q d"],
    k: int,
    allowed: Bool[np.ndarray, "n"] | None,
    places: Int[np.ndarray, "m"] | None,
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    """What faiss finds in float32."""
    whole = rows.dtype == np.float32
    if len(queries) < _FEW and not whole:
        return scanned(rows, "QT_fp16", queries, k, allowed)
    if allowed is None and whole:
        return faiss.knn(queries, rows, k, faiss.METRIC_INNER_PRODUCT)  # type: ignore[no-any-return]
    if len(queries) < _FEW and allowed is not None:
        return _skipping(rows, queries, k, allowed)
    kept_scores = np.empty((len(queries), 0), np.float32)
    kept_places = np.empty((len(queries), 0), np.int64)
    for picked, vectors in _blocks(rows, places):
        scores, at = faiss.knn(queries, vectors, min(k, len(vectors)), faiss.METRIC_INNER_PRODUCT)
        kept_scores = np.concatenate([kept_scores, scores], axis=1)
        kept_places = np.concatenate([kept_places, picked[at]], axis=1)
        order = np.argsort(-kept_scores, axis=1, kind="stable")[:, :k]
        kept_scores = np.take_along_axis(kept_scores, order, axis=1)
        kept_places = np.take_along_axis(kept_places, order, axis=1)
    return kept_scores, kept_places


def _blocks(
    rows: Float[np.ndarray, "n d"], places: Int[np.ndarray, "m"] | None
) -> Iterator[tuple[Int[np.ndarray, "b"], Float[np.ndarray, "b d"]]]:
    """Some rows at a time, by place, in float32; all of them by default."""
    total = len(rows) if places is None else len(places)
    for start in range(0, total, _BLOCK):
        stop = min(start + _BLOCK, total)
        picked = np.arange(start, stop) if places is None else places[start:stop]
        yield picked, np.asarray(rows[start:stop] if places is None else rows[picked], np.float32)


def _skipping(
    rows: Float[np.ndarray, "n d"], queries: Float[np.ndarray, "q d"], k: int, allowed: Bool[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    """What `faiss.knn` does, which takes no selector."""
    scores, found = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    arrays = [faiss.swig_ptr(array) for array in (queries, rows)]
    into = [faiss.swig_ptr(array) for array in (scores, found)]
    faiss.knn_inner_product(*arrays, rows.shape[1], len(queries), len(rows), k, *into, selector)
    return scores, found


def _through_all(
    rows: Float[np.ndarray, "n d"],
    query: Float[np.ndarray, "d"],
    least: float,
    k: int,
    places: Int[np.ndarray, "m"] | None,
) -> tuple[Float[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """The `k` best of all rows, none of which is below `least` by more than float32 rounds."""
    best, at = np.empty(0), np.empty(0, np.int64)
    single = query.astype(np.float32)
    for picked, vectors in _blocks(rows, places):
        above = vectors @ single >= least
        scores, close = ordered(vectors[above], query, picked[above], k)
        best, at = np.concatenate([best, scores]), np.concatenate([at, close])
        order = np.lexsort((at, -best))[:k]
        best, at = best[order], at[order]
    return best, at
