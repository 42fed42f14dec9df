"""Scores counted in fine cells, so that what depends on their order alone needs no sorting and no n x n matrix."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.population import Population

_PER_UNIT = 2**14
_REACH = 4  # scores of stages stay near the scale of cosines; what is beyond counts as the end
CELLS = 2 * _REACH * _PER_UNIT + 1


@dataclass(frozen=True)
class Counted:
    """How many couples of a query and a target have a score in each cell.

    Args:
        relevant: of those that are.
        irrelevant: of the others.
    """

    relevant: Int[Tensor, "c"]
    irrelevant: Int[Tensor, "c"]

    @property
    def couples(self) -> int:
        """All of them."""
        return int(self.relevant.sum() + self.irrelevant.sum())

    @classmethod
    def of(cls, population: Population) -> "Counted":
        """The couples of a population."""
        relevant, irrelevant = torch.zeros(2, CELLS, dtype=torch.int64)
        for tile in population.tiles():
            cells = cells_of(tile.scores)
            relevant += torch.bincount(cells[tile.relevant], minlength=CELLS)
            irrelevant += torch.bincount(cells[tile.counted & ~tile.relevant], minlength=CELLS)
        return cls(relevant, irrelevant)

    def equal_mass(self, bins: int) -> Int[Tensor, "c"]:
        """The bin of each cell, such that bins hold as many couples each as whole cells allow."""
        total = self.relevant + self.irrelevant
        middle = total.cumsum(0) - (total + 1) // 2
        return (middle * bins // max(1, self.couples)).clamp(0, bins - 1)


def cells_of(scores: Float[Tensor, "*s"]) -> Int[Tensor, "*s"]:
    """The cell of each score, 1/16384 wide, the middle of cell c at c/16384 - 4."""
    return ((scores.clamp(-_REACH, _REACH) + _REACH) * _PER_UNIT).round().long()


def middles() -> Float[Tensor, "c"]:
    """The score in the middle of each cell, in float64."""
    return torch.arange(CELLS, dtype=torch.float64) / _PER_UNIT - _REACH
