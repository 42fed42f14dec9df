"""One pass over a search of one modality's rows from another's, for all metrics that look at it."""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.couple import Couple
from closegap.metrics.nearest import Nearest, nearest
from closegap.metrics.positives import Pairs, Rows, paired
from closegap.metrics.ranking import KS
from closegap.metrics.ranks import Ranking, Ranks
from closegap.metrics.tiles import Tiles, cosines, read_by_tile

_DEEPEST = KS[-1]

Counterparts: TypeAlias = Float[Tensor, "q k"]
"""For each case that asks, in how many of the two directions its counterpart is found by rank 1 ... k: 0, 1/2 or 1."""


@dataclass(frozen=True)
class Searched:
    """What is known of each query's search.

    Args:
        ranks: where it found its positives.
        items: the nearest of what it searched, the nearest first.
    """

    ranks: Ranks
    items: Int[Tensor, "q k"]


def searched_by_tile(write: Tiles, like: Float[Tensor, "0 g"], pairs: Pairs, k: int) -> Searched:
    """What `ranks_by_tile` and `nearest_by_tile` find, in one pass.

    Args:
        write: the scores of some queries into a tile of the kind of `like`.
        like: as wide as the gallery.
        pairs: the case of each query and item.
        k: how many nearest items, at most as many as a query searches.
    """
    ranking, found = Ranking(pairs, like.shape[1]), Nearest(len(pairs.x_cases), k, like.device)
    read_by_tile(write, like, len(pairs.x_cases), [found, ranking])
    return Searched(ranking.ranks, found.items)


def searched(couple: Couple) -> Searched:
    """The second modality's rows searched by cosine from those of the first that are measured, ten nearest."""
    queries, gallery = couple.some(couple.x), couple.y
    write = cosines(queries.embeddings, gallery.embeddings, None)
    like, pairs = queries.embeddings.new_empty(0, len(gallery.cases)), Pairs(queries.cases, gallery.cases)
    return searched_by_tile(write, like, pairs, min(_DEEPEST, len(gallery.cases)))


def counterparts(couple: Couple) -> Counterparts:
    """Of the cases that have both modalities and are measured, in the order of `paired`, found by rank 1 ... 10."""
    x, y = paired(couple.x, couple.y)
    asking = torch.arange(len(x.cases)) if couple.chosen is None else couple.chosen[x.cases].nonzero().squeeze(1)
    if couple.chosen is None and _same(x, couple.x) and _same(y, couple.y):
        both = [way.once(searched).items for way in (couple, couple.swapped)]
        return _by_rank(both, asking, _DEEPEST)
    return counterpart_found(x, y, _DEEPEST, asking)


def counterpart_found(x: Rows, y: Rows, k: int, asking: Int[Tensor, "q"] | None = None) -> Counterparts:
    """How the counterparts of cases are found.

    Args:
        x: rows of the first modality.
        y: rows of the second, row i the counterpart of row i of `x`.
        k: the last rank; the columns of the result are ranks from 1.
        asking: the rows that ask, all by default; all are searched.
    """
    asking = torch.arange(len(x.cases)) if asking is None else asking
    both = [nearest(a.embeddings[asking], b.embeddings, k) for a, b in ((x, y), (y, x))]
    return _by_rank(both, asking, k)


def _by_rank(both: list[Int[Tensor, "q _"]], asking: Int[Tensor, "q"], k: int) -> Counterparts:
    total = torch.zeros(len(asking), k, dtype=torch.float64)
    for items in both:
        total[:, : items.shape[1]] += (items == asking[:, None]).double() / 2
    return total.cumsum(1)


def _same(some: Rows, rows: Rows) -> bool:
    return torch.equal(some.index, rows.index)
