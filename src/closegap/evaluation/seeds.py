"""Differences between arms paired by seed: whether training again with other seeds would show them too."""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any

from scipy.special import stdtrit

from closegap.evaluation.card import Card
from closegap.evaluation.report import Estimate


def difference_by_seed(values: Mapping[int, float], baseline: Mapping[int, float]) -> Estimate | None:
    """The mean over shared seeds of value minus baseline, with Student's 95% interval; None of fewer than three seeds.

    `mean(d) -+ t_{.975, n-1} * sd(d) / sqrt(n)`, d the differences of n seeds. Pairing takes out what runs of one seed
    share: the order of cases, the first weights. The interval holds the cases fixed; the bootstrap's holds the seeds.

    Args:
        values: seed to the metric of the arm.
        baseline: seed to the metric of the baseline.

    Example:
        >>> found = difference_by_seed({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.4, 1: 0.4, 2: 0.4, 3: 0.9})
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.2, -0.048, 0.448)
    """
    shared = [seed for seed in values if seed in baseline]
    if len(shared) < 3:  # two look certain where they happen to agree
        return None
    differences = [values[seed] - baseline[seed] for seed in shared]
    centre = mean(differences)
    half = float(stdtrit(len(shared) - 1, 0.975)) * stdev(differences) / sqrt(len(shared))
    return Estimate(centre, centre - half, centre + half)


def seed_facts(
    cards: Mapping[str, Sequence[Card]], seeds: Mapping[str, Sequence[int | None]], compared_with: Mapping[str, str]
) -> dict[str, Any]:
    """What a report's data say of seeds: `seeds`, and `seed_differences` where three are shared; see there for Args."""
    paired = differences_by_seed(cards, seeds, compared_with)
    told = {arm: {name: vars(estimate) for name, estimate in found.items()} for arm, found in paired.items()}
    return {"seeds": dict(seeds), **({"seed_differences": told} if told else {})}


def differences_by_seed(
    cards: Mapping[str, Sequence[Card]], seeds: Mapping[str, Sequence[int | None]], compared_with: Mapping[str, str]
) -> dict[str, dict[str, Estimate]]:
    """Arm to metric to `difference_by_seed`; an arm that shares fewer than three seeds with its control is left out.

    Args:
        cards: arm to the card of each of its runs.
        seeds: arm to the seed of each of its runs, in the same order; None where nothing was trained.
        compared_with: arm to the arm that it is compared with.
    """
    values = {arm: _by_metric(found, seeds[arm]) for arm, found in cards.items()}
    found = {
        arm: {
            name: difference
            for name, by_seed in metrics.items()
            if (difference := difference_by_seed(by_seed, values[compared_with[arm]].get(name, {}))) is not None
        }
        for arm, metrics in values.items()
        if arm in compared_with
    }
    return {arm: metrics for arm, metrics in found.items() if metrics}


def _by_metric(cards: Sequence[Card], seeds: Sequence[int | None]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for card, seed in zip(cards, seeds, strict=True):
        if seed is not None:
            for name, sampled in card.metrics.items():
                found.setdefault(name, {})[seed] = sampled.value
    return found
