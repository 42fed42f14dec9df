"""Mixed-modality search, counterpart form: one index of both modalities, the query looks for its case in the other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.index import MixedIndex
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.ranking import Search
from closegap.metrics.ranks import Ranks
from closegap.metrics.retrieval import retrieval_estimates
from closegap.metrics.stage import Stage

MIXED = Search(
    "mixed",
    heading="Mixed search",
    context="Mixed search",
    recall="True counterpart in the top {k} of one index of both modalities; gameable alone.",
    target="true counterpart",
    targets="of the true counterparts",
    order=1,
)
OWN_MODALITY_SHARE = Figure(
    "mixed/own_modality_share",
    "Own-modality share",
    MIXED.heading,
    "lower",
    "percent",
    "Share of the top ten in the query's own modality.",
    MIXED.context,
    key=True,
    task=True,
)
EXPECTED_OWN_SHARE = Figure(
    "mixed/expected_own_share",
    "Expected share",
    MIXED.heading,
    unit="percent",
    meaning="What a blind index would give.",
    context=MIXED.context,
)


class MixedCounterpart(Metric):
    """Search of one index of both modalities for the counterpart of each row of the second."""

    what = "mixed search"
    extent = "tasks"
    takes_scores = True

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """One row of each case of the second modality asks: a second caption would compete with the image."""
        y = couple.y.first_and_further()[0]
        queries = None if couple.chosen is None else couple.chosen[y.cases].nonzero().squeeze(1)
        found = counterpart_estimates(couple.x, y, counts, queries=queries, stage=couple.stage)
        return {
            **MIXED.measured(found),
            OWN_MODALITY_SHARE: found["own_modality_share"],
            EXPECTED_OWN_SHARE: found["expected_own_share"],
        }


def counterpart_ranks(x: Rows, y: Rows, queries: Int[Tensor, "q"] | None = None, stage: Stage | None = None) -> Ranks:
    """Ranks of the case's rows of `x` for each row of `y`, searched among all of `x` and all *other* rows of `y`.

    Whatever is of the query's own modality competes, a further row of its case too. The score is gameable alone:
    demoting the query's own modality makes it that of cross-modal retrieval. It stands beside the balanced, the graded
    and the matched-size form.

    Args:
        x: rows of the modality that is looked for (images); they come first in the index.
        y: rows of the queries' modality (captions).
        queries: the rows of `y` that ask; all by default. All are in the index.
        stage: what the scores go through.
    """
    index = MixedIndex((x, y), stage)
    asking, cases, own = _asked(index, queries)
    return index.ranks(asking, cases, excluded=own)


def own_modality_share(
    x: Rows, y: Rows, k: int = 10, queries: Int[Tensor, "q"] | None = None, stage: Stage | None = None
) -> Float[Tensor, "q"]:
    """Share of the query's own modality among the k nearest of each row of `y` in the index of `counterpart_ranks`.

    In [0, 1]; `expected_own_share` where the index is blind to modality.
    """
    index = MixedIndex((x, y), stage)
    asking, _, own = _asked(index, queries)
    return _own_share(index.nearest(asking, k, excluded=own), len(x.cases))


def expected_own_share(x_rows: int, y_rows: int) -> float:
    """Share of the queries' modality in the index without the query: (m - 1) / (n + m - 1)."""
    return (y_rows - 1) / (x_rows + y_rows - 1)


def counterpart_estimates(
    x: Rows,
    y: Rows,
    counts: Int[Tensor, "b g"],
    k: int = 10,
    queries: Int[Tensor, "q"] | None = None,
    stage: Stage | None = None,
) -> dict[str, Sampled]:
    """The scores of `retrieval_estimates`, own_modality_share and expected_own_share; rows of `y` are the queries.

    Queries are resampled by group, the index stays as it is. Only queries whose case is in `x` count; `queries` names
    the rows of `y` that ask, all by default.

    Raises:
        UsageError: no case has both modalities.
    """
    index = MixedIndex((x, y), stage)
    asking, cases, own = _asked(index, queries)
    searched = index.search(asking, cases, k, excluded=own)
    ranks, groups = searched.ranks, asking.groups
    found = retrieval_estimates(ranks, groups, counts)
    shares = _own_share(searched.items, len(x.cases))[ranks.queries]
    found |= estimates(weighted_means({"own_modality_share": shares}), groups[ranks.queries], counts)
    expected = expected_own_share(len(x.cases), len(y.cases))
    return found | {"expected_own_share": Sampled(expected, torch.empty(0))}


def _asked(index: MixedIndex, queries: Int[Tensor, "q"] | None) -> tuple[Rows, Pairs, Int[Tensor, "q"]]:
    """The rows that ask, the case of each of them and of each item, and the item that each of them is itself."""
    x, y = index.parts
    asking = torch.arange(len(y.cases)) if queries is None else queries
    pairs = Pairs(x.cases, y.cases)
    # In the index a row of the query's modality is of a case of its own: nobody's positive.
    own_cases = pairs.cases + torch.arange(len(y.cases))
    cases = Pairs(y.cases[asking], torch.cat([x.cases, own_cases]))
    return y if queries is None else y.pick(asking), cases, len(x.cases) + asking


def _own_share(items: Int[Tensor, "q k"], x_rows: int) -> Float[Tensor, "q"]:
    return (items >= x_rows).double().mean(1)
