"""Mixed-modality search, balanced form: every case is in the index once, in one modality or the other."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric, Need
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.index import MixedIndex
from closegap.metrics.positives import Rows, rows_of
from closegap.metrics.ranking import Search
from closegap.metrics.ranks import Ranks
from closegap.metrics.retrieval import retrieval_estimates
from closegap.metrics.stage import Stage

BALANCED = Search(
    "mixed_balanced",
    heading="Balanced mixed search",
    context="Balanced mixed search",
    recall="Each case is stored in one modality; a further view of it is the query.",
    target="case",
    targets="of the case",
    task=False,
    order=1,
)
MODALITY_DIFFERENCE = Figure(
    "mixed_balanced/modality_difference",
    "Modality difference",
    BALANCED.heading,
    "zero",
    "percent",
    "Recall of cases stored as one modality minus the other; 0: the index is blind to modality.",
    BALANCED.context,
)


def _has_further_view(couple: Couple) -> bool:
    second_rows = any(len(rows.cases) > len(set(rows.cases.tolist())) for rows in (couple.x, couple.y))
    return second_rows or any(bool(couple.embeddings.mask(other).any()) for other in _others(couple))


def _others(couple: Couple) -> list[str]:
    return [modality for modality in couple.embeddings.modalities if modality not in (couple.a, couple.b)]


FURTHER_VIEW = Need(
    "balanced search needs a further view of a case (a second row or a third modality): no view", _has_further_view
)


class MixedBalanced(Metric):
    """Search of an index that holds each case in one modality, from a further view of the case."""

    what = "mixed_balanced"
    extent = "tasks"
    takes_scores = True
    needs = (FURTHER_VIEW,)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """From second rows of cases if there are any, else from a third modality."""
        (x, x_further), (y, y_further) = couple.x.first_and_further(), couple.y.first_and_further()
        others = [rows_of(couple.embeddings, other) for other in _others(couple)]
        view = next(rows for rows in (y_further, x_further, *others) if len(rows.cases))
        found = balanced_estimates(x, y, couple.some(view), counts, stage=couple.stage)
        return {**BALANCED.measured(found), MODALITY_DIFFERENCE: found["modality_difference"]}


@dataclass(frozen=True)
class BalancedSearch:
    """Where each query found its case.

    Args:
        ranks: of the queries whose case is in the index.
        stored_as_x: for each of `ranks.queries`, whether its case is in the index as the first modality.
    """

    ranks: Ranks
    stored_as_x: Bool[Tensor, "q"]


def first_by_coin(cases: int, seed: int) -> Bool[Tensor, "c"]:
    """Which case numbers enter an index in the first modality; a case's coin depends on its number and seed alone."""
    return torch.rand(cases, generator=torch.Generator().manual_seed(seed)) < 0.5


def balanced_search(x: Rows, y: Rows, view: Rows, seed: int = 0, stage: Stage | None = None) -> BalancedSearch:
    """Search of one index that holds each case in one modality by the toss of a coin, from a further view of the case.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        view: rows of a further view that are not in `x` or `y`: another caption, the concepts, a third modality.
        seed: of the coins (`first_by_coin`), so that arms are compared on one index.
        stage: what the scores go through.

    Raises:
        UsageError: no case has both modalities and a further view.
    """
    cases = 1 + max(int(side.cases.max()) if len(side.cases) else -1 for side in (x, y, view))
    coin = first_by_coin(cases, seed)
    both = torch.zeros(2, cases, dtype=torch.bool)
    both[0, x.cases], both[1, y.cases] = True, True
    enters = both.all(0)
    as_x, as_y = x.pick((enters & coin)[x.cases]), y.pick((enters & ~coin)[y.cases])
    ranks = MixedIndex((as_x, as_y), stage).ranks(view)
    if not len(ranks.queries):
        raise UsageError("balanced search needs cases with both modalities and a further view, and there are none")
    return BalancedSearch(ranks, coin[view.cases[ranks.queries]])


def balanced_estimates(
    x: Rows,
    y: Rows,
    view: Rows,
    counts: Int[Tensor, "b g"],
    k: int = 10,
    seed: int = 0,
    stage: Stage | None = None,
) -> dict[str, Sampled]:
    """The scores of `retrieval_estimates`, and modality_difference with draws.

    modality_difference is R@k of cases stored as the first modality less R@k of cases stored as the second, in [-1,
    1]; 0 where the index is blind to modality. Queries are resampled by group, the index stays as it is.

    Raises:
        UsageError: no case has both modalities and a further view, or the coins put all of them on one side.
    """
    search = balanced_search(x, y, view, seed, stage)
    if search.stored_as_x.all() or not search.stored_as_x.any():
        raise UsageError("balanced search has cases of one modality only in its index; it needs more cases")
    hits = (search.ranks.best <= k).double()
    sides = {
        "as_x": hits.where(search.stored_as_x, torch.nan),
        "as_y": hits.where(~search.stored_as_x, torch.nan),
    }
    found = estimates(weighted_means(sides), view.groups[search.ranks.queries], counts)
    difference = found["as_x"].minus(found["as_y"])
    return retrieval_estimates(search.ranks, view.groups, counts) | {"modality_difference": difference}
