"""What goes into an index and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Row:
    """What an index knows of a row beside its vector.

    Args:
        id: names it within its partition.
        case: whose it is; the rows of a case, in all partitions, are deleted together.
        group: whose case it is, a patient; a case has one.
        payload: JSON values by key, for filters and for whoever shows it.
    """

    id: str
    case: str
    group: str
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """What filters may ask for: the payload, and `id`, `case` and `group`."""
        return {**self.payload, "id": self.id, "case": self.case, "group": self.group}


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one partition.

    Args:
        rows: each with an id of its own.
        vectors: theirs, unit-norm, in the order of the rows.
        previews: what is shown of each, such as a thumbnail; empty where there is none.
    """

    rows: Sequence[Row]
    vectors: Float[np.ndarray, "n d"]
    previews: Sequence[bytes] | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """The rows nearest to each query, best first.

    Args:
        scores: inner products, cosines for unit queries; no more than the longest list of rows, -inf after the others.
        rows: of each query, as many as there are scores above -inf.
    """

    scores: Float[np.ndarray, "q m"]
    rows: Sequence[Sequence[Row]]


@dataclass(frozen=True)
class Stats:
    """What is in an index.

    Args:
        widths: of the vectors, by partition.
        rows: that a search may find, by partition.
        unpurged: rows deleted or replaced whose bytes are still kept.
        version: of the corrections; 0 if there are none.
        size: bytes on disk.
    """

    widths: Mapping[str, int]
    rows: Mapping[str, int]
    unpurged: int
    version: int
    size: int
