"""Inner products with rows of fewer bytes than float32 has, where they lie."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from closegap.errors import needs

with needs("search"):
    import faiss


def scanned(
    stored: Num[np.ndarray, "n d"],
    kind: str,
    queries: Float[np.ndarray, "q d"],
    k: int,
    allowed: Bool[np.ndarray, "n"] | None,
    order: Int[np.ndarray, "n"] | None = None,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    """Inner products in float32 and places of the `k` best rows, best first.

    It is the loop of `faiss.IndexScalarQuantizer.search`, which would want a copy of the rows.

    Args:
        stored: rows, contiguous.
        kind: what faiss calls their numbers: "QT_fp16", or "QT_8bit_direct_signed" of bytes from which 128 is taken,
            which are compared with whole numbers from -127 to 127.
        queries: float32.
        k: at most as many as there are rows that are allowed; of fewer in the ranges, the last places are -1.
        allowed: the rows that may be found, by their places; all by default.
        order: the place of each stored row, contiguous; by default they lie in order.
        ranges: of stored rows that are compared, where `order` is given; all by default.
    """
    scores, places = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
    quantizer = faiss.ScalarQuantizer(stored.shape[1], getattr(faiss.ScalarQuantizer, kind))
    selector = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    scanner = quantizer.select_InvertedListScanner(faiss.METRIC_INNER_PRODUCT, None, order is None, selector)
    scanner.list_no = 0
    try:
        for query, *heap in zip(np.ascontiguousarray(queries, np.float32), scores, places, strict=True):
            scanner.set_query(faiss.swig_ptr(query))
            for start, stop in ranges or [(0, len(stored))]:
                if start < stop:
                    some = faiss.swig_ptr(stored[start:stop].view(np.uint8))
                    named = None if order is None else faiss.swig_ptr(order[start:stop])
                    scanner.scan_codes(stop - start, some, named, *map(faiss.swig_ptr, heap), k)
    finally:
        type(scanner).__swig_destroy__(scanner)  # which Python does not own
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(places, order, axis=1)
