"""95% intervals by resampling groups: one matrix of counts serves every metric, arm and pair of modalities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from closegap.bounds import Resamples
from closegap.checked import check_value
from closegap.errors import UsageError

Statistic: TypeAlias = Callable[[Float[Tensor, "b u"]], Mapping[str, Float[Tensor, "b"]]]
"""Metric values under b weightings of u units (rows, cases): a weight says how often the unit was drawn."""

_WEIGHTS_AT_ONCE = 2**24
_RESAMPLES_AT_ONCE = 64
_MOST_LOTS = 50_000


@dataclass(frozen=True)
class Sampled:
    """A value and what it would have been in each resample.

    Args:
        value: measured on the data as they are.
        draws: measured on each of the b resamples; NaN where a resample held nothing to measure. Empty where no
            interval applies.
    """

    value: float
    draws: Float[Tensor, "b"]

    @property
    def low(self) -> float | None:
        """2.5th percentile of the draws; None where there are none."""
        return self.percentile(0.025)

    @property
    def high(self) -> float | None:
        """97.5th percentile of the draws; None where there are none."""
        return self.percentile(0.975)

    def percentile(self, share: float) -> float | None:
        """The draw below which `share` of the draws lie, linearly interpolated; None where there are none."""
        measured = self.draws[~self.draws.isnan()]
        return float(measured.quantile(share)) if len(measured) else None

    def recentred(self) -> "Sampled":
        """The same with the draws moved to the value, for a metric that repeated rows bias.

        The interval then says where other samples of this size would lie, not where resamples of this one do.
        """
        return Sampled(self.value, self.draws - self.draws.nanmean() + self.value)

    def minus(self, other: "Sampled") -> "Sampled":
        """The difference to `other`, paired by resample: both must come from the same counts.

        Raises:
            UsageError: different numbers of resamples.
        """
        if len(self.draws) != len(other.draws):
            raise UsageError(f"{len(self.draws)} and {len(other.draws)} resamples do not pair; use the same counts")
        return Sampled(self.value - other.value, self.draws - other.draws)


def resample_counts(groups: int, resamples: Resamples = 1000, seed: int = 0) -> Int[Tensor, "b g"]:
    """How often each group is drawn in each resample: `groups` draws with replacement, the same for the same seed.

    More than 50,000 groups are drawn in 50,000 lots (`lots`), which have the variance of the groups: the counts of a
    million groups would take gigabytes and no interval would change.

    Args:
        groups: how many groups there are (articles, patients); at least 1.
        resamples: how many resamples, b.
        seed: of the draws. Metrics, arms and modalities that share the counts are paired by resample.

    Raises:
        UsageError: no group, no resample, or more than memory holds.
    """
    check_value(resamples, Resamples, "resamples")
    if groups < 1:
        raise UsageError(f"expected at least one group to resample, got {groups}")
    groups = min(groups, _MOST_LOTS)
    generator = torch.Generator().manual_seed(seed)
    # int16 keeps 1,000 resamples of 100,000 groups at 200 MB; a count beyond 32,767 does not occur.
    counts = torch.zeros(resamples, groups, dtype=torch.int16)
    one = torch.ones((), dtype=torch.int16).expand(groups)
    for row in counts:
        row.index_add_(0, torch.randint(groups, (groups,), generator=generator), one)
    return counts


def estimates(statistic: Statistic, unit_groups: Int[Tensor, "u"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Each metric of `statistic` with its bootstrap draws.

    Args:
        statistic: metrics as functions of the units' weights.
        unit_groups: the group of each unit; units of one group are drawn together.
        counts: from `resample_counts`.

    Example:
        >>> hits = torch.tensor([1.0, 1.0, 0.0, 1.0])
        >>> found = estimates(weighted_means({"R@1": hits}), torch.arange(4), resample_counts(4))
        >>> found["R@1"].value, found["R@1"].low, found["R@1"].high
        (0.75, 0.25, 1.0)
    """
    value = statistic(torch.ones(1, len(unit_groups), dtype=torch.float64))
    columns = lots(unit_groups, counts)
    at_once = max(1, min(_RESAMPLES_AT_ONCE, _WEIGHTS_AT_ONCE // max(1, len(columns))))
    as_they_are = torch.equal(columns, torch.arange(counts.shape[1]))  # a unit for each group: nothing to be gathered
    parts = [statistic((part if as_they_are else part[:, columns]).double()) for part in torch.split(counts, at_once)]
    return {name: Sampled(float(at[0]), torch.cat([part[name] for part in parts])) for name, at in value.items()}


def lots(groups: Int[Tensor, "u"], counts: Int[Tensor, "b g"]) -> Int[Tensor, "u"]:
    """The column of `counts` by which each unit is drawn: its group, or where there are more groups a lot of them.

    Lots are of equal size up to one group, and drawn at random with a fixed seed.
    """
    total = 1 + int(groups.max()) if len(groups) else 0
    if total <= counts.shape[1]:
        return groups
    return (torch.randperm(total, generator=torch.Generator().manual_seed(0)) % counts.shape[1])[groups]


def weighted_means(values: Mapping[str, Float[Tensor, "u"]]) -> Statistic:
    """The statistic that is the mean of each of `values` over the units; NaN marks a unit without one."""
    stacked = torch.stack([value.double() for value in values.values()], dim=1)
    known = ~stacked.isnan()
    sums = torch.where(known, stacked, 0.0)

    def statistic(weights: Float[Tensor, "b u"]) -> dict[str, Float[Tensor, "b"]]:
        means = (weights @ sums) / (weights @ known.double())
        return dict(zip(values, means.unbind(1), strict=True))

    return statistic


def weighted_median(name: str, values: Real[Tensor, "u"]) -> Statistic:
    """The statistic that is the median of `values`: the mean of the two middle ones where their number is even."""
    ordered, order = values.double().sort()

    def statistic(weights: Float[Tensor, "b u"]) -> dict[str, Float[Tensor, "b"]]:
        upto = weights[:, order].cumsum(1)
        total = upto[:, -1:]
        middle = torch.cat([((total - 1) / 2).floor(), (total / 2).floor()], dim=1)
        # The value at position p (from 0) is the first whose cumulated weight exceeds p.
        found = torch.searchsorted(upto, middle, right=True).clamp(max=len(ordered) - 1)
        median = ordered[found].mean(1)
        return {name: torch.where(total[:, 0] > 0, median, torch.nan)}

    return statistic
