"""Where queries find their positives: ranks are counted tile by tile, never sorted."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.positives import Pairs
from closegap.metrics.tiles import Tiles, cosines, read_by_tile


@dataclass(frozen=True)
class Ranks:
    """Where each query found its positives.

    Args:
        queries: the rows that had a positive in the gallery and therefore count.
        best: rank of the query's best positive among the non-positives, from 1.
        average_precision: mean over the query's positives of the precision at their ranks, in (0, 1].
        tied: non-positives whose score equals that of the best positive up to rounding; index decided these.
        gallery: how many items were searched.
        positives: how many positives each query has among them.
    """

    queries: Int[Tensor, "q"]
    best: Int[Tensor, "q"]
    average_precision: Float[Tensor, "q"]
    tied: Int[Tensor, "q"]
    gallery: int
    positives: Int[Tensor, "q"]


def retrieval_ranks(
    queries: Float[Tensor, "q d"],
    gallery: Float[Tensor, "g d"],
    pairs: Pairs | None = None,
    excluded: Int[Tensor, "q"] | None = None,
) -> Ranks:
    """Ranks of each query's positives by cosine over the full gallery, exact, in O(q g d) time and O(g) memory.

    A positive's rank is 1 + the number of non-positives with a higher score + the number of non-positives with an equal
    score and a lower index. Scores closer than rounding can tell (1e-6 in float32, 1e-12 in float64) are equal, so
    that identical vectors tie wherever they stand in a tile; collapsed embeddings then score chance.

    Args:
        queries: unit rows.
        gallery: unit rows.
        pairs: which rows are of one case; all of a case's gallery rows are positives. Aligned by default.
        excluded: for each query a gallery row that it does not search, where the gallery holds the query itself.
    """
    pairs = Pairs.of(queries, gallery, pairs)
    return ranks_by_tile(cosines(queries, gallery, excluded), queries.new_empty(0, len(gallery)), pairs)


def ranks_of_scores(scores: Float[Tensor, "q g"], pairs: Pairs | None = None) -> Ranks:
    """As `retrieval_ranks`, of a score matrix that is already there."""
    pairs = Pairs.of(scores, scores.T, pairs)

    def write(rows: slice, tile: Float[Tensor, "t g"]) -> None:
        tile.copy_(scores[rows])

    return ranks_by_tile(write, scores[:0], pairs)


def ranks_by_tile(write: Tiles, like: Float[Tensor, "0 g"], pairs: Pairs) -> Ranks:
    """As `retrieval_ranks`, of scores that are written for some queries at a time into a tile of the kind of `like`."""
    found = Ranking(pairs, like.shape[1])
    read_by_tile(write, like, len(pairs.x_cases), [found])
    return found.ranks


class Ranking:
    """Reads where each query's positives stand; overwrites the scores.

    Args:
        pairs: the case of each query and item.
        gallery: how many items are searched.
    """

    def __init__(self, pairs: Pairs, gallery: int) -> None:
        self._positives, self._gallery = _padded_positives(pairs), gallery
        self._above, self._tied = torch.zeros_like(self._positives), torch.zeros_like(self._positives)

    def read(self, rows: slice, scores: Float[Tensor, "t g"], flags: Float[Tensor, "t g"]) -> None:
        """Count what comes before the positives of some queries."""
        _count(scores, flags, self._positives[rows], self._above[rows], self._tied[rows])

    @property
    def ranks(self) -> Ranks:
        """Of all queries, once their scores are read."""
        return _ranks(self._above, self._tied, self._positives, self._gallery)


def _padded_positives(pairs: Pairs) -> Int[Tensor, "q p"]:
    """The gallery rows of each query's positives, padded with -1."""
    query_rows, gallery_rows = pairs.positives()
    numbers = torch.bincount(query_rows, minlength=len(pairs.x_cases))
    slots = torch.arange(len(query_rows), device=numbers.device) - (numbers.cumsum(0) - numbers)[query_rows]
    width = int(numbers.max()) if len(numbers) else 0
    padded = torch.full((len(numbers), width), -1, device=numbers.device)
    padded[query_rows, slots] = gallery_rows
    return padded


def _count(
    scores: Float[Tensor, "t g"],
    flags: Float[Tensor, "s g"],
    positives: Int[Tensor, "t p"],
    above: Int[Tensor, "t p"],
    tied: Int[Tensor, "t p"],
) -> None:
    """Write how many non-positives come before each positive, and how many tie with it; overwrites `scores`."""
    tolerance = 1e-12 if scores.dtype == torch.float64 else 1e-6
    of_positives = scores.gather(1, positives.clamp(min=0))
    rows, slots = (positives >= 0).nonzero(as_tuple=True)
    scores[rows, positives[rows, slots]] = -torch.inf
    for slot in range(positives.shape[1]):
        here = rows[slots == slot]
        others = scores if len(here) == len(scores) else scores[here]
        score = of_positives[here, slot, None]
        # Flags as floats are summed several times faster than booleans; they are exact below 2^24 items.
        flag = flags[: len(here)]
        higher = torch.gt(others, score + tolerance, out=flag).sum(1).long()
        equal = torch.ge(others, score - tolerance, out=flag).sum(1).long() - higher
        for row in equal.nonzero().squeeze(1).tolist():
            first = others[row, : positives[here[row], slot]]
            higher[row] += ((first >= score[row] - tolerance) & (first <= score[row] + tolerance)).sum()
        above[here, slot], tied[here, slot] = higher, equal


def _ranks(above: Int[Tensor, "q p"], tied: Int[Tensor, "q p"], positives: Int[Tensor, "q p"], gallery: int) -> Ranks:
    numbers = (positives >= 0).sum(1)
    queries = numbers.nonzero().squeeze(1)
    if not len(queries):
        nothing = queries.new_empty(0)
        return Ranks(queries, nothing, nothing.double(), nothing, gallery, nothing)
    before, slot = torch.where(positives >= 0, above, gallery + 1)[queries].sort(dim=1)
    found = torch.arange(1, before.shape[1] + 1, device=before.device)
    precision = torch.where(found <= numbers[queries, None], found / (found + before.double()), 0.0)
    return Ranks(
        queries=queries,
        best=before[:, 0] + 1,
        average_precision=precision.sum(1) / numbers[queries],
        tied=tied[queries].gather(1, slot[:, :1]).squeeze(1),
        gallery=gallery,
        positives=numbers[queries],
    )
