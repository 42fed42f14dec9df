"""What an index refuses before any engine sees it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.errors import DataError, UsageError
from closegap.printable import is_text
from closegap.search.filter import is_exact
from closegap.search.row import Batch, Row

OWN_KEYS = ("id", "case", "group")
_LONGEST = 512  # bytes of a name
_LONGEST_QUERY = 1e6
_UNIT = 1e-3  # norms this close to 1 were stored in half precision


def checked_batch(partition: str, batch: Batch, width: int | None) -> Batch:
    """The batch with its vectors in float32, contiguous.

    Args:
        partition: its name.
        batch: of it.
        width: of the vectors that are there, or None.

    Raises:
        UsageError: the partition's name, or as many vectors as rows were not given.
        DataError: a row or a vector that no index keeps; the message names it.
    """
    if problem := name_problem(partition):
        raise UsageError(f"partition {partition[:80]!r} {problem}; choose another name")
    vectors = _numbers(partition, batch.vectors, width)
    if len(vectors) != len(batch.rows) or len(batch.previews or batch.rows) != len(batch.rows):
        previews = "none" if batch.previews is None else f"{len(batch.previews)}"
        raise UsageError(
            f"{partition}: {len(batch.rows)} rows with {len(vectors)} vectors and {previews} previews; give one each"
        )
    seen: set[str] = set()
    for number, row in enumerate(batch.rows):
        if problem := _row_problem(row) or ("has an id that came before" if row.id in seen else None):
            raise DataError(f"{partition}, row {number} (id {str(row.id)[:80]!r}) {problem}; leave the row out")
        seen.add(row.id)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    off = np.flatnonzero(~(np.abs(norms - 1) <= _UNIT))
    if len(off):
        first, count = int(off[0]), f"{len(off):,} such row{'s' if len(off) > 1 else ''}"
        what = "holds NaN or infinity" if not np.isfinite(norms[first]) else f"has norm {norms[first]:.4g}, expected 1"
        raise DataError(f"{partition}, row {first} (id {batch.rows[first].id!r}) {what} ({count}); normalise the rows")
    return Batch(batch.rows, vectors, batch.previews)


def checked_queries(partition: str, vectors: Any, width: int) -> Float[np.ndarray, "q d"]:
    """The queries in float32, contiguous; of any length that is a number of this world, as corrections stretch them.

    Raises:
        DataError: another shape, NaN or infinity, or a norm above 1e6.
    """
    found = _numbers(partition, vectors, width)
    norms = np.linalg.norm(found.astype(np.float64), axis=1)
    off = np.flatnonzero(~(norms <= _LONGEST_QUERY))
    if len(off):
        raise DataError(
            f"{partition}: query {off[0]} has norm {norms[off[0]]:.4g}, expected a finite one up to 1e6; leave it out"
        )
    return found


def checked_names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names, once each.

    Raises:
        UsageError: a text in place of several, or one that names nothing.
    """
    if isinstance(names, str):
        raise UsageError(f"{what}: {names[:80]!r} given, expected a list of names; put it into one")
    found = tuple(dict.fromkeys(names))
    for name in found:
        if problem := name_problem(name):
            raise UsageError(f"{what}: {str(name)[:80]!r} {problem}; name what is in the index")
    return found


def name_problem(name: Any) -> str | None:
    """Why something cannot name a partition, a row, a case, a group or a correction, in a few words; None if it can."""
    if not isinstance(name, str) or not name:
        return "is no text or an empty one"
    if not is_text(name) or not name.isprintable():
        return "holds characters that are not printed"
    return None if len(name.encode()) <= _LONGEST else f"is longer than {_LONGEST} bytes"


def _numbers(partition: str, vectors: Any, width: int | None) -> Float[np.ndarray, "n d"]:
    given = np.asarray(vectors)
    if given.ndim != 2 or given.dtype.kind != "f" or not given.shape[1]:
        raise DataError(
            f"{partition}: an array of shape {given.shape} in {given.dtype} given, expected rows of floats; give n x d"
        )
    if width is not None and given.shape[1] != width:
        raise DataError(
            f"{partition}: vectors of width {given.shape[1]} given, expected {width}; embed with the index's own model"
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype=np.float32)


def _row_problem(row: Row) -> str | None:
    for what in OWN_KEYS:
        if problem := name_problem(getattr(row, what)):
            return f"has a {what} that {problem}"
    if taken := set(OWN_KEYS) & row.payload.keys():
        return f"has a payload with the key {min(taken)!r}, which is the row's own"
    try:
        json.dumps(dict(row.payload), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"has a payload that is no JSON ({' '.join(str(error).split())})"
    return _value_problem(row.payload)


def _value_problem(value: Any) -> str | None:
    """What an engine could not keep of a payload."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and is_exact(key) and '"' not in key for key in value):
            return 'has a payload with a key that is no text, or holds NUL or "'
        return next(filter(None, map(_value_problem, value.values())), None)
    if isinstance(value, list | tuple):
        return next(filter(None, map(_value_problem, value)), None)
    if value is None or is_exact(value):
        return None
    return "has a payload with a whole number above 2**53 or a text that holds NUL"
