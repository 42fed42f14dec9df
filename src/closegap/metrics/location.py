"""Where two modalities lie relative to each other, every number with its bootstrap interval, in one pass."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, lots
from closegap.metrics.cosines import COS_CORRECTED, COS_NULL, COS_TRUE_PAIRS, RMG, mean_angular_figure, relative_gap
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.gap import (
    GAP,
    GAP_DEBIASED,
    GAP_FLOOR,
    GAP_TOP_DIMENSIONS,
    debiased_gap,
    largest_dimensions,
    sampling_variance,
)
from closegap.metrics.positives import Pairs, Rows, case_blocks


class Location(Metric):
    """Gap with its floor, cosines with their null, relative gap."""

    what = "location"
    extent = "quick"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of all cases."""
        found = couple.once(_estimates, counts)
        figures = (GAP, GAP_FLOOR, GAP_DEBIASED, COS_TRUE_PAIRS, COS_NULL, COS_CORRECTED, RMG)
        return {figure: found[figure.name] for figure in figures}


class Cones(Metric):
    """How narrow each modality is by itself, and how few dimensions the gap lies in: from the sums of `Location`."""

    what = "location"
    extent = "quick"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of all cases."""
        found = couple.once(_estimates, counts)
        return {
            mean_angular_figure(couple.a): found["mean_angular_value_x"],
            mean_angular_figure(couple.b): found["mean_angular_value_y"],
            GAP_TOP_DIMENSIONS: found[GAP_TOP_DIMENSIONS.name],
        }


def _estimates(couple: Couple, counts: Counts) -> dict[str, Sampled]:
    return location_estimates(couple.x, couple.y, counts)


def location_estimates(x: Rows, y: Rows, counts: Int[Tensor, "b g"], k: int = 3) -> dict[str, Sampled]:
    """Gap, cosines and relative gap of two modalities with bootstrap draws.

    All are functions of each group's sums over its cases, so a resample is a weighted sum of these: O(b g d) in all.
    Copies of a case that is drawn twice count as one case: they are not each other's non-pairs.

    A resample's gap is too large by about the sampling floor f, as the sample's own gap is: the resample's centres
    scatter around the sample's, which scatter around the population's. So each draw is debiased: sqrt(max(0, g^2 -
    f^2)) for `gap`, whose interval then says where the gap of other samples of this size would lie, and sqrt(max(0,
    g^2 - 2 f^2)) for `gap_debiased`, whose interval is one for the population's gap; it reaches 0 where the sample
    cannot tell the gap from none. `gap_floor` has no interval. The floor takes groups as what was sampled.
    `gap_top_dimensions` follows the sample's own k dimensions through the resamples, debiased like the gap.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        counts: from `resample_counts`, over the groups of the whole set.
        k: how many dimensions `gap_top_dimensions` is about.

    Returns:
        gap, gap_floor, gap_debiased, gap_top_dimensions, cos_true_pairs, cos_null, cos_corrected, mean_angular_value_x,
        mean_angular_value_y, rmg.

    Raises:
        UsageError: no case has both modalities, or there are fewer than two cases.
    """
    pairs = Pairs.of(x.embeddings, y.embeddings, Pairs(x.cases, y.cases))
    if any(len(side) == 0 or bool((side == side[0]).all()) for side in (x.cases, y.cases)):
        raise UsageError("location needs two cases at least in each modality")
    case_groups = torch.zeros(pairs.cases, dtype=torch.int64)
    case_groups[x.cases], case_groups[y.cases] = x.groups, y.groups
    variance = sampling_variance(x.embeddings, y.embeddings, pairs, case_groups)
    largest = largest_dimensions(x.embeddings, y.embeddings, k)
    sums = _GroupSums(x.embeddings, y.embeddings, pairs, lots(case_groups, counts), largest)
    if not sums.true_pairs[:, 1].any():
        raise UsageError("no case has both modalities, so there is no true pair to measure")
    found = estimates(sums.statistic, torch.arange(len(sums.x)), counts)
    squared, in_largest, floor = found.pop("squared"), found.pop("in_largest"), variance.sum().sqrt()
    gap = torch.tensor(squared.value, dtype=torch.float64).sqrt()
    draws = debiased_gap(squared.draws.sqrt(), floor)
    draws_in_largest = (in_largest.draws - variance[largest].sum()).clamp(min=0) / draws.square()
    return {
        "gap": Sampled(float(gap), draws),
        "gap_floor": Sampled(float(floor), draws[:0]),
        "gap_debiased": Sampled(float(debiased_gap(gap, floor)), debiased_gap(squared.draws.sqrt(), floor * 2**0.5)),
        "gap_top_dimensions": Sampled(
            in_largest.value / squared.value if squared.value else 1.0,
            draws_in_largest.clamp(max=1).where(draws > 0, torch.nan),
        ),
        **found,
    }


class _GroupSums:
    """Per group: the sums of its rows, and over its cases the sums and numbers of their products."""

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "m d"],
        pairs: Pairs,
        groups: Int[Tensor, "c"],
        largest: Int[Tensor, "k"],
    ) -> None:
        self.largest = largest
        count, width = 1 + int(groups.max()), x.shape[1] + 1
        self.x, self.y = torch.zeros(2, count, width, dtype=torch.float64, device=x.device)
        products = torch.zeros(count, 6, dtype=torch.float64, device=x.device)
        for block, (x_rows, y_rows) in case_blocks((pairs.x_cases, pairs.y_cases), pairs.cases):
            of_x, of_y = (
                _block_sums(side[rows], cases[rows] - block.start, block.stop - block.start)
                for side, cases, rows in ((x, pairs.x_cases, x_rows), (y, pairs.y_cases, y_rows))
            )
            theirs = groups[block]
            self.x.index_add_(0, theirs, of_x)
            self.y.index_add_(0, theirs, of_y)
            inside = [_products(of_x, of_y), _products(of_x, of_x), _products(of_y, of_y)]
            products.index_add_(0, theirs, torch.cat(inside, dim=1))
        self.true_pairs = products[:, :2]
        # Columns: sum and number of products across, inside x, inside y.
        self.same_case = products

    def statistic(self, weights: Float[Tensor, "b c"]) -> dict[str, Float[Tensor, "b"]]:
        x, y = weights @ self.x, weights @ self.y
        true_pairs = weights @ self.true_pairs
        # A case drawn w times meets itself w^2 times in the product of the sums.
        same = weights.square() @ self.same_case
        null = _mean_of_others(x, y, same[:, 0:2])
        x_angular = _mean_of_others(x, x, same[:, 2:4])
        y_angular = _mean_of_others(y, y, same[:, 4:6])
        cosine = true_pairs[:, 0] / true_pairs[:, 1]
        difference = x[:, :-1] / x[:, -1:] - y[:, :-1] / y[:, -1:]
        return {
            "squared": difference.square().sum(1),
            "in_largest": difference[:, self.largest].square().sum(1),
            "cos_true_pairs": cosine,
            "cos_null": null,
            "cos_corrected": cosine - null,
            "mean_angular_value_x": x_angular,
            "mean_angular_value_y": y_angular,
            "rmg": relative_gap((1 - cosine) / 2, (2 - x_angular - y_angular) / 4),
        }


def _block_sums(rows: Float[Tensor, "n d"], cases: Int[Tensor, "n"], count: int) -> Float[Tensor, "c d1"]:
    """The sum of each case's rows, and in the last column their number."""
    sums = torch.zeros(count, rows.shape[1] + 1, dtype=torch.float64, device=rows.device)
    sums[:, :-1].index_add_(0, cases, rows.double())
    sums[:, -1] = torch.bincount(cases, minlength=count)
    return sums


def _products(a: Float[Tensor, "c d1"], b: Float[Tensor, "c d1"]) -> Float[Tensor, "c 2"]:
    return torch.stack([(a[:, :-1] * b[:, :-1]).sum(1), a[:, -1] * b[:, -1]], dim=1)


def _mean_of_others(
    a: Float[Tensor, "b d1"], b: Float[Tensor, "b d1"], same: Float[Tensor, "b 2"]
) -> Float[Tensor, "b"]:
    others = _products(a, b) - same
    return others[:, 0] / others[:, 1]
