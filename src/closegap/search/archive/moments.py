"""Mean and spread of a query's scores over all rows of a partition, without looking at the rows again."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.scores.base.z_scores import Spread
from closegap.search.index import Index

BLOCK = 4096
"""Rows that are read at a time."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the rows of a partition, in float64.

    The scores q . x of a query have the mean q . mean and the variance q . second q - (q . mean)^2.

    Args:
        count: how many rows there were.
        mean: of the rows.
        second: mean of x x^T.
    """

    count: int
    mean: Float[Tensor, "d"]
    second: Float[Tensor, "d d"]

    @classmethod
    def of(cls, index: Index, partition: str) -> "Moments":
        """Those of all rows that are in a partition now."""
        width = index.stats().widths[partition]
        total, squares, count = torch.zeros(width).double(), torch.zeros(width, width).double(), 0
        for rows in blocks(index, partition):
            total += rows.sum(0)
            squares.addmm_(rows.T, rows)
            count += len(rows)
        return cls(count, total / max(count, 1), squares / max(count, 1))

    def spread(self, queries: Float[Tensor, "q d"]) -> Spread:
        """How the scores of each query lie."""
        asked = queries.double()
        mean = asked @ self.mean
        variance = ((asked @ self.second) * asked).sum(1) - mean.square()
        return Spread(mean[:, None], variance.clamp(min=0).sqrt()[:, None])


def blocks(index: Index, partition: str) -> Iterator[Float[Tensor, "b d"]]:
    """The rows of a partition in float64, some at a time."""
    names = index.ids(partition)
    for start in range(0, len(names), BLOCK):
        yield torch.from_numpy(index.read(partition, names[start : start + BLOCK]).vectors).double()
