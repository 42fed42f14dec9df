"""Scores of queries against a gallery, some queries at a time, so that no n x n matrix is ever held."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SCORES_AT_ONCE = 2**23  # two tiles are 64 MiB; with smaller ones the gallery is read more often
_QUERIES_AT_ONCE = 64  # at least: with fewer, reading the gallery would take longer than multiplying with it

Tiles: TypeAlias = Callable[[slice, Float[Tensor, "t g"]], None]
"""Writes the scores of some queries, named by a slice, against the whole gallery into a tile."""


@runtime_checkable
class Reader(Protocol):
    """What is found out about each query from its scores."""

    def read(self, rows: slice, scores: Float[Tensor, "t g"], flags: Float[Tensor, "t g"]) -> None:
        """Take in the scores of some queries; `flags` is room of the same size, which may be overwritten.

        The last reader of a pass may overwrite the scores, too.
        """


def read_by_tile(write: Tiles, like: Float[Tensor, "0 g"], queries: int, readers: Sequence[Reader]) -> None:
    """Read all scores in one pass, in O(g) memory.

    Args:
        write: the scores.
        like: of the kind of a tile, and as wide.
        queries: how many there are.
        readers: each is given every tile, one after the other.
    """
    gallery = like.shape[1]
    step = min(queries, max(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // max(1, gallery)))
    # Two tiles for the whole pass: allocated anew between small results that stay they would fragment the heap.
    scores, flags = like.new_empty(step, gallery), like.new_empty(step, gallery)
    for start in range(0, queries, max(1, step)):
        rows = slice(start, min(start + step, queries))
        tile, room = scores[: rows.stop - start], flags[: rows.stop - start]
        write(rows, tile)
        for reader in readers:
            reader.read(rows, tile, room)


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
