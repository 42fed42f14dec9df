"""Re-linkage: who joins what was kept apart, the price of a closed gap in privacy."""

from typing import ClassVar

import torch
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.extents import Extent
from closegap.metrics.figure import Figure
from closegap.metrics.positives import Rows, paired
from closegap.metrics.searched import Counterparts, counterpart_found, counterparts

RELINKED = Figure(
    "relinkage/R@1",
    "Re-linked",
    "Privacy",
    unit="percent",
    meaning="De-identified items whose own counterpart is found first among all of the other modality, mean of both "
    "directions: a gate before release, not a score of quality.",
    key=True,
)
RELINKED_IN_TEN = Figure(
    "relinkage/R@10",
    "Re-linked, top ten",
    RELINKED.heading,
    unit="percent",
    meaning="The same, found among the first ten.",
)
RELINKED_BY_CHANCE = Figure(
    "relinkage/chance",
    "Re-linked by chance",
    RELINKED.heading,
    unit="percent",
    meaning="1 / n: what guessing re-links at rank 1.",
)
RELINKAGE_GALLERY = Figure(
    "relinkage/gallery",
    "Candidates",
    RELINKED.heading,
    unit="count",
    meaning="n: how many items of the other modality there are to choose from.",
)


class Relinkage(Metric):
    """How often the two de-identified halves of a case are found to be of one case."""

    what = "relinkage"
    extent: ClassVar[Extent] = "tasks"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the cases that have both modalities, one item of each."""
        x, y = paired(couple.x, couple.y)
        found = relinkage_estimates(x, y, counts, couple.chosen, couple.once(counterparts))
        return {
            RELINKED: found["R@1"],
            RELINKED_BY_CHANCE: found["chance"],
            RELINKED_IN_TEN: found["R@10"],
            RELINKAGE_GALLERY: found["gallery"],
        }


def relinkage_estimates(
    x: Rows, y: Rows, counts: Counts, chosen: Tensor | None = None, across: Counterparts | None = None
) -> dict[str, Sampled]:
    """R@1 and R@10 with draws, mean of both directions; their chance 1/n, and the gallery's size n.

    An attacker who holds items of one modality and searches those of the other for their counterparts succeeds so
    often. Closing a gap may raise it: see it before and after. Cases are resampled by group, the gallery stays as it
    is.

    Args:
        x: rows of the first modality.
        y: rows of the second, row i the counterpart of row i of `x` (`paired`).
        counts: from `resample_counts`.
        chosen: the cases, by number, that are searched for; all by default.
        across: how they are found by rank 10, where that is known.

    Raises:
        UsageError: no case has both modalities.

    Reference:
        arXiv:2606.02276, the attack.
    """
    asking = torch.arange(len(x.cases)) if chosen is None else chosen[x.cases].nonzero().squeeze(1)
    if not len(asking):
        raise UsageError("re-linkage needs cases with both modalities, and there are none")
    found = counterpart_found(x, y, 10, asking) if across is None else across
    values = {"R@1": found[:, 0], "R@10": found[:, 9]}
    n = len(x.cases)
    return estimates(weighted_means(values), x.groups[asking], counts) | {
        "chance": Sampled(1 / n, torch.empty(0)),
        "gallery": Sampled(float(n), torch.empty(0)),
    }
