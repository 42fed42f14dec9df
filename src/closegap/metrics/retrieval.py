"""Exact retrieval over the full gallery: ranks are counted tile by tile, never sorted."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means, weighted_median
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure, words
from closegap.metrics.positives import Pairs
from closegap.metrics.ranking import KS, Search
from closegap.metrics.tiles import Tiles, cosines

_SCORES_AT_ONCE = 2**21  # two tiles of them stay in a CPU's cache
_QUERIES_AT_ONCE = 64  # at least: with fewer, reading the gallery would take longer than multiplying with it


def across(source: str, target: str) -> Search:
    """The search among one modality's rows from another's."""
    direction = f"{words(source)} → {words(target)}"
    return Search(
        f"{source}_to_{target}",
        heading=f"Retrieval, {direction}",
        context=direction,
        recall="Queries with a true match in the top {k}.",
        target="best true match",
        targets="over all true matches",
        key=KS,
        headline=2,
    )


def mean_recall(k: int) -> Figure:
    """The figure of Recall@k averaged over all searches of one modality from another."""
    return Figure(
        f"R@{k}",
        f"R@{k}",
        "Retrieval",
        "higher",
        "percent",
        "Mean over pairs of modalities and directions.",
        "Retrieval",
        headline=2 if k == KS[-1] else None,
    )


class Retrieval(Metric):
    """Recall, ranks and precision over the full gallery, both ways."""

    extent = "quick"

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """Either way by itself."""
        for one_way in (couple, couple.swapped):
            yield one_way.direction, partial(self.measured, one_way, counts)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """The second modality's rows searched from the first's."""
        queries, gallery = couple.some(couple.x), couple.y
        ranks = retrieval_ranks(queries.embeddings, gallery.embeddings, Pairs(queries.cases, gallery.cases))
        found = retrieval_estimates(ranks, queries.groups, counts)
        return across(couple.a, couple.b).measured(found | recall_by_chance(ranks))


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
    positives = _padded_positives(pairs)
    queries, gallery = len(positives), like.shape[1]
    above, tied = torch.zeros_like(positives), torch.zeros_like(positives)
    step = min(queries, max(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // max(1, gallery)))
    # Two tiles for the whole sweep: tiles allocated anew between small results that stay would fragment the heap.
    scores, flags = like.new_empty(step, gallery), like.new_empty(step, gallery)
    for start in range(0, queries, max(1, step)):
        rows = slice(start, min(start + step, queries))
        tile = scores[: rows.stop - start]
        write(rows, tile)
        _count(tile, flags, positives[rows], above[rows], tied[rows])
    return _ranks(above, tied, positives, gallery)


def recall_at_k(ranks: Ranks, k: int) -> Float[Tensor, ""]:
    """Share of queries with a positive among the first k, in [0, 1]; higher is better.

    The CLIP literature's Recall@K, which is a hit rate: one positive among the k is enough.
    """
    return (_answered(ranks).best <= k).double().mean()


def recall_by_chance(ranks: Ranks, ks: tuple[int, ...] = KS) -> dict[str, Sampled]:
    """R@K/chance: the R@K that a random order of the gallery has on average, exactly.

    A query with p positives among n items misses all of them with probability C(n - p, K) / C(n, K).
    """
    n, others = ranks.gallery, ranks.gallery - _answered(ranks).positives.double()
    chances = {}
    for k in ks:
        left = torch.arange(min(k, n), dtype=torch.float64)
        missed = ((others[:, None] - left).clamp(min=0) / (n - left)).prod(1)
        chances[f"R@{k}/chance"] = Sampled(float((1 - missed).mean()), torch.empty(0))
    return chances


def median_rank(ranks: Ranks) -> Float[Tensor, ""]:
    """Median rank of the best positive, from 1; lower is better. The mean of the two middle ones of an even number."""
    return _answered(ranks).best.double().quantile(0.5)


def mean_reciprocal_rank(ranks: Ranks) -> Float[Tensor, ""]:
    """Mean of 1 / rank of the best positive, in (0, 1]; higher is better."""
    return _answered(ranks).best.double().reciprocal().mean()


def mean_average_precision(ranks: Ranks) -> Float[Tensor, ""]:
    """Mean over queries of the average precision over all positives, in (0, 1]; higher is better."""
    return _answered(ranks).average_precision.mean()


def retrieval_estimates(
    ranks: Ranks, query_groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"], ks: tuple[int, ...] = KS
) -> dict[str, Sampled]:
    """R@K, median_rank, mrr and map with draws: queries are resampled by group, the gallery stays as it is.

    Args:
        ranks: of one direction.
        query_groups: the group of each row that was given as a query.
        counts: from `resample_counts`.
        ks: the K of the R@K.

    Raises:
        UsageError: no query had a positive.
    """
    values = {f"R@{k}": (_answered(ranks).best <= k).double() for k in ks}
    values |= {"mrr": ranks.best.double().reciprocal(), "map": ranks.average_precision}
    groups = query_groups[ranks.queries]
    means = estimates(weighted_means(values), groups, counts)
    return means | estimates(weighted_median("median_rank", ranks.best), groups, counts)


def _answered(ranks: Ranks) -> Ranks:
    if not len(ranks.queries):
        raise UsageError("no query has a positive in the gallery, so there is nothing to retrieve")
    return ranks


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
