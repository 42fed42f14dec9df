"""Mixed-modality search, graded form: what is relevant counts, whatever its modality."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric, Need
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure, words
from closegap.metrics.index import MixedIndex
from closegap.metrics.mixed_counterpart import MIXED
from closegap.metrics.positives import Rows
from closegap.metrics.relevance import Relevance, concept_relevance, label_relevance
from closegap.metrics.stage import Stage

NDCG = Figure(
    "mixed/ndcg@10",
    "nDCG@10",
    MIXED.heading,
    "higher",
    meaning="Graded relevance in one index, own modality counted where it is relevant.",
    context=MIXED.context,
    key=True,
    task=True,
)
NDCG_BY_CHANCE = Figure(
    "mixed/ndcg@10/chance",
    "nDCG@10 by chance",
    MIXED.heading,
    meaning="What a random order of the index scores.",
    context=MIXED.context,
)
GRADES = Need(
    "graded search needs labels or concepts, and none were given",
    lambda couple: couple.embeddings.concepts is not None or bool(couple.embeddings.labels),
)


class MixedGraded(Metric):
    """nDCG of one index of both modalities; relevance from concepts, without them from the first labels."""

    what = "mixed/ndcg@10"
    extent = "tasks"
    takes_scores = True
    needs = (GRADES,)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """One row of each case of the second modality takes part."""
        x, y = couple.some(couple.x), couple.some(couple.y.first_and_further()[0])
        found = graded_estimates(x, y, relevance_of(couple), counts, stage=couple.stage)
        return {
            NDCG_BY_CHANCE: found["ndcg@10_chance"],
            NDCG: found["ndcg@10"],
            _of_queries(couple.a): found["ndcg@10_x"],
            _of_queries(couple.b): found["ndcg@10_y"],
        }


def relevance_of(couple: Couple) -> Relevance:
    """What is relevant to what: by overlap of concepts, without them by the chosen labels."""
    concepts = couple.embeddings.concepts
    return label_relevance(couple.labels) if concepts is None else concept_relevance(concepts)


def _of_queries(modality: str) -> Figure:
    return replace(NDCG, name=f"{NDCG.name}/{modality}", label=f"{NDCG.label} {words(modality)}", key=False)


_GRADES_AT_ONCE = 2**23


@dataclass(frozen=True)
class GradedSearch:
    """How well each row finds what is relevant to it in the index of both modalities.

    Args:
        ndcg: nDCG@k of each row as a query, rows of the first modality first; NaN where nothing is relevant to it.
        chance: what a random order of the index scores on average.
    """

    ndcg: Float[Tensor, "r"]
    chance: Float[Tensor, "r"]


def graded_search(x: Rows, y: Rows, relevance: Relevance, k: int = 10, stage: Stage | None = None) -> GradedSearch:
    """nDCG@k of every row of both modalities, searched among all other rows of both.

    The ideal order is that of all relevant items of the index, of either modality and the query's own case included.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        relevance: how relevant one row is to another, by number in the set.
        k: how many found items count.
        stage: what the scores go through.
    """
    numbers = torch.cat([x.index, y.index])
    own = torch.arange(len(numbers))
    index = MixedIndex((x, y), stage)
    found = torch.cat([index.nearest(side, k, own[at]) for side, at in index.columns()])
    scores, chances = torch.empty(2, len(own), dtype=torch.float64)
    step = max(1, _GRADES_AT_ONCE // max(1, len(own)))
    for start in range(0, len(own), step):
        tile = slice(start, start + step)
        grades = relevance(numbers[tile], numbers)
        grades.scatter_(1, own[tile, None], 0.0)
        of_found = grades.gather(1, found[tile])
        ideal = grades.topk(of_found.shape[1], dim=1).values
        typical = (grades.sum(1, keepdim=True) / max(1, len(own) - 1)).expand_as(ideal)
        scores[tile], chances[tile] = ndcg(of_found, ideal), ndcg(typical, ideal)
    return GradedSearch(scores, chances)


def ndcg(found: Float[Tensor, "q k"], ideal: Float[Tensor, "q k"]) -> Float[Tensor, "q"]:
    """Normalised discounted cumulative gain of each query, in [0, 1]; higher is better, NaN where nothing is relevant.

    sum over the ranks r = 1 ... k of gain_r / log2(r + 1), relative to that of the ideal order.

    Args:
        found: relevance of the items found, best first.
        ideal: the k highest relevances that there are in the whole index, highest first.

    Example:
        >>> ndcg(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
        tensor([0.5000], dtype=torch.float64)

    Reference:
        Jarvelin and Kekalainen, Cumulated gain-based evaluation of IR techniques, 2002, with linear gain.
    """
    discounts = torch.arange(2, 2 + found.shape[1], dtype=torch.float64).log2().reciprocal()
    gain, best = found.double() @ discounts, ideal.double() @ discounts
    return torch.where(best > 0, gain / best, torch.nan)


def graded_estimates(
    x: Rows,
    y: Rows,
    relevance: Relevance,
    counts: Int[Tensor, "b g"],
    k: int = 10,
    stage: Stage | None = None,
) -> dict[str, Sampled]:
    """ndcg@k over the queries of both modalities, of each alone (..._x, ..._y) and of a random order (..._chance).

    With draws: queries are resampled by group, the index stays as it is. Queries to which nothing is relevant do not
    count.

    Raises:
        UsageError: nothing is relevant to any row, for lack of labels or concepts.
    """
    search = graded_search(x, y, relevance, k, stage)
    if search.ndcg.isnan().all():
        raise UsageError("graded search needs rows that share a label or concepts, and there are none")
    of_x = torch.arange(len(search.ndcg)) < len(x.index)
    values = {
        f"ndcg@{k}": search.ndcg,
        f"ndcg@{k}_x": search.ndcg.where(of_x, torch.nan),
        f"ndcg@{k}_y": search.ndcg.where(~of_x, torch.nan),
        f"ndcg@{k}_chance": search.chance,
    }
    return estimates(weighted_means(values), torch.cat([x.groups, y.groups]), counts)
