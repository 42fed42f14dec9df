"""What engines that compare in single precision share: the order that double precision gives, and what a row is."""

import json
from hashlib import sha256

import numpy as np
from jaxtyping import Float, Int

from closegap.search.row import Row

_UNIT_ROUNDOFF = 2.0**-24
MORE = 16  # rows that are compared again beyond those that are wanted


def ordered(
    vectors: Float[np.ndarray, "m d"], query: Float[np.ndarray, "d"], places: Int[np.ndarray, "m"], k: int
) -> tuple[Float[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Inner products and places of the `k` best rows, in double precision, equal ones in the order of their places.

    The sum runs alike over each row, so that equal rows tie.

    Args:
        vectors: of the rows.
        query: one.
        places: of the rows, in the order in which they were added.
        k: at least 1.
    """
    scores = (vectors.astype(np.float64) * query).sum(axis=1)
    order = np.lexsort((places, -scores))[:k]
    return scores[order], places[order]


def rounding(query: Float[np.ndarray, "d"]) -> float:
    """By how much two inner products of unit rows with a query may be out of order in single precision."""
    return 2 * len(query) * _UNIT_ROUNDOFF * float(np.linalg.norm(query))


def fingerprint(row: Row, vector: np.ndarray, preview: bytes) -> bytes:
    """A digest of all that is kept of a row beside its id: equal if nothing of it changed.

    Args:
        row: any.
        vector: in the precision in which it is kept.
        preview: of it.
    """
    known = json.dumps([row.case, row.group, dict(row.payload)], sort_keys=True).encode()
    parts = (known, vector.tobytes(), preview)
    return sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()
