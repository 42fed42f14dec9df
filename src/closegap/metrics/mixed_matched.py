"""Mixed-modality search, matched-size form: an index of both modalities with as many items as one of them has."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.index import MixedIndex
from closegap.metrics.mixed_balanced import first_by_coin
from closegap.metrics.positives import Rows, paired
from closegap.metrics.ranking import KS, Search
from closegap.metrics.searched import Counterparts, counterpart_found, counterparts
from closegap.metrics.stage import Stage

MATCHED = Search(
    "mixed_matched",
    heading="Matched-size mixed search",
    context="Matched-size mixed search",
    recall="Each case is stored in one modality, by a coin, and asked for in the other: found in the top {k}.",
    target="other view",
    targets="of the other view",
)
RATIO = Figure(
    "mixed_matched/ratio",
    "Ratio to cross-modal",
    MATCHED.heading,
    meaning="Matched-size R@10 relative to cross-modal R@10 over as many items of one modality: 1 where mixing costs "
    "nothing, above where the query's own modality is demoted.",
    context=MATCHED.context,
    key=True,
)
MATCHED_OWN_SHARE = Figure(
    "mixed_matched/own_modality_share",
    "Own-modality share",
    MATCHED.heading,
    unit="percent",
    meaning="Share of the top ten in the query's own modality; best near the expected one.",
    context=MATCHED.context,
    key=True,
)
MATCHED_EXPECTED_SHARE = Figure(
    "mixed_matched/expected_own_share",
    "Expected share",
    MATCHED.heading,
    unit="percent",
    meaning="What a blind index would give.",
    context=MATCHED.context,
)


class MixedMatched(Metric):
    """Search of an index that holds each case in one modality, from its view in the other."""

    what = "mixed_matched"
    extent = "tasks"
    takes_scores = True

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the cases that have both modalities, one row of each."""
        x, y = paired(couple.x, couple.y)
        asking = None if couple.chosen is None else couple.chosen[x.cases].nonzero().squeeze(1)
        across = couple.once(counterparts)
        found = matched_estimates(x, y, counts, asking=asking, stage=couple.stage, across=across)
        return {
            **MATCHED.measured(found),
            RATIO: found["ratio"],
            MATCHED_OWN_SHARE: found["own_modality_share"],
            MATCHED_EXPECTED_SHARE: found["expected_own_share"],
        }


def matched_search(
    x: Rows, y: Rows, as_x: Bool[Tensor, "n"], asking: Int[Tensor, "q"], k: int = 10, stage: Stage | None = None
) -> tuple[Float[Tensor, "q k"], Float[Tensor, "q"]]:
    """For each case that asks, whether its other view is found by rank 1 ... k, and the own modality's share of k.

    Args:
        x: rows of the first modality.
        y: rows of the second, row i of the case of row i of `x`.
        as_x: which cases the index holds as the first modality; it holds the others as the second.
        asking: the cases that ask, by row.
        k: the last rank.
        stage: what the scores go through.
    """
    index = MixedIndex((x.pick(as_x), y.pick(~as_x)), stage)
    place = torch.where(as_x, as_x.cumsum(0) - 1, as_x.sum() + (~as_x).cumsum(0) - 1)
    hits = torch.zeros(len(asking), k, dtype=torch.float64)
    shares = torch.zeros(len(asking), dtype=torch.float64)
    for queries, ask in ((y, as_x[asking]), (x, ~as_x[asking])):
        items = index.nearest(queries.pick(asking[ask]), k)
        found = torch.zeros(len(items), k, dtype=torch.float64)
        found[:, : items.shape[1]] = (items == place[asking[ask], None]).double()
        hits[ask] = found.cumsum(1)
        shares[ask] = index.are_of(items, queries.modality).double().mean(1)
    return hits, shares


def matched_estimates(
    x: Rows,
    y: Rows,
    counts: Counts,
    *,
    asking: Int[Tensor, "q"] | None = None,
    coins: int = 5,
    stage: Stage | None = None,
    across: Counterparts | None = None,
) -> dict[str, Sampled]:
    """R@1, R@5, R@10, ratio, own_modality_share and expected_own_share, means over several coins, with draws.

    The index holds each of the n cases once, in one modality by the toss of a coin, so it is as large as a gallery of
    one modality. Each case asks with the view that the index does not hold; what it holds of the case is the answer.
    ratio is R@10 over the cross-modal R@10 of the same cases, mean of both directions, each over all n items of one
    modality: 1 where mixing costs nothing, below 1 where a gap hides the answer behind the query's own modality, above
    1 where that is demoted. Cases are resampled by group, the ratio's two parts together; the index stays as it is.

    Args:
        x: rows of the first modality.
        y: rows of the second, row i of the case of row i of `x` (`paired`).
        counts: from `resample_counts`.
        asking: the rows of the cases that ask, all by default; all are in the index.
        coins: how many tosses, with the seeds 0, 1, ...
        stage: what the scores of the mixed index go through; cross-modal search does not see it.
        across: how the cases that ask are found by rank 10 across modalities, where that is known.

    Raises:
        UsageError: no case has both modalities.
    """
    asking = torch.arange(len(x.cases)) if asking is None else asking
    if not len(asking):
        raise UsageError("matched-size search needs cases with both modalities, and there are none")
    k = KS[-1]
    hits = torch.zeros(len(asking), k, dtype=torch.float64)
    shares, expected = torch.zeros(2, len(asking), dtype=torch.float64)
    for seed in range(coins):
        as_x = first_by_coin(1 + int(x.cases.max()), seed)[x.cases]
        of_coin = matched_search(x, y, as_x, asking, k, stage)
        hits += of_coin[0] / coins
        shares += of_coin[1] / coins
        of_y = float((~as_x).double().mean())
        expected += torch.where(as_x[asking], of_y, 1 - of_y) / coins
    values = {f"R@{rank}": hits[:, rank - 1] for rank in KS}
    across = counterpart_found(x, y, k, asking) if across is None else across
    values |= {"own_modality_share": shares, "across": across[:, k - 1]}
    means = weighted_means(values)

    def statistic(weights: Float[Tensor, "b u"]) -> dict[str, Float[Tensor, "b"]]:
        found = means(weights)
        return {**found, "ratio": found[f"R@{k}"] / found["across"]}

    found = estimates(statistic, x.groups[asking], counts)
    return found | {"expected_own_share": Sampled(float(expected.mean()), torch.empty(0))}
