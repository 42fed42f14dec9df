"""Exact retrieval over the full gallery, both ways, and what its ranks come to."""

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means, weighted_median
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure, words
from closegap.metrics.ranking import KS, Search
from closegap.metrics.ranks import Ranks
from closegap.metrics.searched import searched


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
        ranks = couple.once(searched).ranks
        found = retrieval_estimates(ranks, couple.some(couple.x).groups, counts)
        return across(couple.a, couple.b).measured(found | recall_by_chance(ranks))


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
