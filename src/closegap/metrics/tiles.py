"""Scores of queries against a gallery, some queries at a time, so that no n x n matrix is ever held."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

Tiles: TypeAlias = Callable[[slice, Float[Tensor, "t g"]], None]
"""Writes the scores of some queries, named by a slice, against the whole gallery into a tile."""


def cosines(queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"], excluded: Int[Tensor, "q"] | None) -> Tiles:
    """The cosines of unit rows.

    Args:
        queries: unit rows.
        gallery: unit rows.
        excluded: for each query a gallery row that it does not search, whose score is -inf.
    """

    def write(rows: slice, tile: Float[Tensor, "t g"]) -> None:
        torch.mm(queries[rows], gallery.T, out=tile)
        if excluded is not None:
            tile.scatter_(1, excluded[rows, None], -torch.inf)

    return write
