"""How two modalities fill the space, every number with its bootstrap interval."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, Statistic, estimates, lots
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.effective_rank import effective_rank_figure, gram, rank_of_spectrum, spectrum
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.uniformity import (
    CENTROID_UNIFORMITY,
    CROSS_UNIFORMITY,
    KernelSums,
    centroids,
    kernel_sums,
    uniformity_figure,
)

_ROWS_AT_ONCE = 8192


class Uniformities(Metric):
    """How evenly rows spread over the sphere: inside, across, and of the cases' centroids."""

    what = "uniformities"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the cases that are measured."""
        found = uniformity_estimates(couple.some(couple.x), couple.some(couple.y), counts)
        return {
            uniformity_figure(couple.a): found["uniformity_x"],
            uniformity_figure(couple.b): found["uniformity_y"],
            CROSS_UNIFORMITY: found[CROSS_UNIFORMITY.name],
            CENTROID_UNIFORMITY: found[CENTROID_UNIFORMITY.name],
        }


class EffectiveRanks(Metric):
    """How many dimensions either modality uses, and both together."""

    what = "effective ranks"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of all cases."""
        found = rank_estimates(couple.x, couple.y, counts)
        return {
            effective_rank_figure(couple.a): found["effective_rank_x"],
            effective_rank_figure(couple.b): found["effective_rank_y"],
            effective_rank_figure(): found["effective_rank_pooled"],
        }


def uniformity_estimates(x: Rows, y: Rows, counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Uniformities of two modalities, with bootstrap draws, in O(n m d) time.

    The draws are of first order in the weights around the sample: the log of a mean over pairs of rows moves by the sum
    of each row's influence. A thousand resamples then cost one sweep over the pairs. Their spread errs on the wide
    side: a row's influence is itself measured on the sample, and the noise in it outweighs the second order that is
    left out, also where rows are spread so evenly that there is no first.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        counts: from `resample_counts`, over the groups of the whole set.

    Returns:
        uniformity_x, uniformity_y, cross_uniformity, centroid_uniformity.
    """
    pairs = Pairs(x.cases, y.cases)
    both_groups = torch.cat([x.groups, y.groups])
    case_groups = torch.full((pairs.cases,), -1)
    case_groups[x.cases], case_groups[y.cases] = x.groups, y.groups
    mean = centroids(x.embeddings, y.embeddings, pairs)
    centroid_cases = torch.arange(len(mean))
    inside = {
        "uniformity_x": (x.embeddings, x.cases, x.groups),
        "uniformity_y": (y.embeddings, y.cases, y.groups),
        "centroid_uniformity": (mean, centroid_cases, case_groups[case_groups >= 0]),
    }
    found: dict[str, Sampled] = {}
    for name, (rows, cases, groups) in inside.items():
        sums = kernel_sums(rows, rows, Pairs(cases, cases))
        found |= _log_mean(name, sums, torch.cat([groups, groups]), counts)
    across = kernel_sums(x.embeddings, y.embeddings, pairs)
    return found | _log_mean("cross_uniformity", across, both_groups, counts)


def rank_estimates(x: Rows, y: Rows, counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Effective ranks of two modalities, with bootstrap draws, in O((n + m) d^2) time.

    The draws are of first order: the eigenvalues move by the sum of each row's influence. Their spread is that of
    samples with several times more rows than dimensions.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        counts: from `resample_counts`, over the groups of the whole set.

    Returns:
        effective_rank_x, effective_rank_y, effective_rank_pooled.
    """
    found: dict[str, Sampled] = {}
    columns = torch.arange(counts.shape[1])
    grams = [gram(side.embeddings) for side in (x, y)]
    for name, parts, of in (
        ("effective_rank_x", [x], grams[0]),
        ("effective_rank_y", [y], grams[1]),
        ("effective_rank_pooled", [x, y], grams[0] + grams[1]),
    ):
        found |= estimates(_effective_rank(name, parts, of, counts), columns, counts)
    return found


def _log_mean(name: str, sums: KernelSums, groups: Int[Tensor, "r"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Log of sum / number of pairs, linear in the weights of the rows on either side, given in a row."""
    total, number = sums.x.sum(), sums.x_pairs.sum()
    of_rows = torch.cat([sums.x / total - sums.x_pairs / number, sums.y / total - sums.y_pairs / number])
    influence = of_rows.new_zeros(counts.shape[1]).index_add_(0, lots(groups, counts), of_rows)

    def statistic(weights: Float[Tensor, "b c"]) -> Mapping[str, Float[Tensor, "b"]]:
        return {name: (total / number).log() + (weights - 1) @ influence}

    return estimates(statistic, torch.arange(counts.shape[1]), counts)


def _effective_rank(
    name: str, parts: Sequence[Rows], of: Float[Tensor, "d d"], counts: Int[Tensor, "b g"]
) -> Statistic:
    """The effective rank with eigenvalues to first order in the weights: the squares along the sample's own axes."""
    eigenvalues, vectors = spectrum(of)
    used = vectors[:, eigenvalues > 0]
    squares = used.new_zeros(counts.shape[1], used.shape[1])
    for part in parts:
        for rows, groups in zip(
            torch.split(part.embeddings, _ROWS_AT_ONCE),
            torch.split(lots(part.groups, counts), _ROWS_AT_ONCE),
            strict=True,
        ):
            squares.index_add_(0, groups, (rows @ used.to(rows.dtype)).square_().double())

    def statistic(weights: Float[Tensor, "b u"]) -> Mapping[str, Float[Tensor, "b"]]:
        return {name: rank_of_spectrum(weights @ squares)}

    return statistic
