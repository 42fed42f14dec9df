"""How different two modalities are as distributions, with and without their centres."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.positives import Pairs, Rows

_MMD_ROWS = 2000

FRECHET = Figure(
    "frechet_centred", "Fréchet distance", "Distribution", "lower", meaning="Between the centred modalities."
)
MMD = Figure("squared_mmd", "MMD", "Distribution", "lower", meaning="Maximum mean discrepancy of the modalities.")


class Distribution(Metric):
    """Distances of the modalities' distributions."""

    what = "distribution"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of all cases; the discrepancy takes a sample of its own."""
        found = distribution_estimates(couple.x, couple.y, counts)
        return {figure: found[figure.name] for figure in (FRECHET, MMD)}


_ROWS_AT_ONCE = 8192


def centred_frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """Squared Frechet distance of the modalities after each is centred, at least 0; lower is more alike.

    tr(S_x) + tr(S_y) - 2 tr((S_x^(1/2) S_y S_x^(1/2))^(1/2)) with S the covariance (over n): what remains of the
    distance between the modalities, seen as Gaussians, once the gap is taken away. At most 2 for unit rows. Finite
    samples of one distribution are about d / n apart: compare arms at equal n.

    Raises:
        UsageError: no rows.

    Reference:
        Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017, arXiv
        1706.08500, without the term of the means.
    """
    if not len(x) or not len(y):
        raise UsageError(f"a distance of distributions needs rows of both modalities, got {len(x)} and {len(y)}")
    x_covariance, y_covariance = _covariance(x), _covariance(y)
    values, vectors = torch.linalg.eigh(x_covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ y_covariance @ root).clamp(min=0).sqrt().sum()
    distance: Float[Tensor, ""] = x_covariance.trace() + y_covariance.trace() - 2 * overlap
    return distance.clamp(min=0)


def squared_mmd(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None) -> Float[Tensor, ""]:
    """Squared maximum mean discrepancy, unbiased: 0 on average for equal distributions, at most 2; lower is more alike.

    mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j) over rows of different cases, i != j, so that it may fall
    a little below 0. k(a, b) = exp(-||a - b||^2 / (2 s^2)), s^2 the median of ||a - b||^2 over the pooled rows. O((n +
    m)^2) memory: `mmd_sample` first where there are more than a few thousand rows.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        pairs: the cases of the rows; aligned one to one by default.

    Raises:
        UsageError: fewer than two cases in a modality.

    Reference:
        Gretton et al., A kernel two-sample test, 2012, equation 4, for paired samples.
    """
    pairs = Pairs.of(x, y, pairs)
    return _Kernels(x, y, pairs).statistic(torch.ones(1, pairs.cases, dtype=torch.float64))["squared_mmd"][0]


def mmd_sample(pairs: Pairs, rows: int = _MMD_ROWS, seed: int = 0) -> tuple[Int[Tensor, "n"], Int[Tensor, "m"]]:
    """Rows of `x` and of `y` of as many randomly chosen whole cases as leave at most `rows` of each."""
    place = torch.randperm(pairs.cases, generator=torch.Generator().manual_seed(seed))
    places = (place[pairs.x_cases], place[pairs.y_cases])
    # The first case in line that would bring the (rows + 1)th row of a modality ends the sample.
    end = min(int(side.sort().values[rows]) if len(side) > rows else pairs.cases for side in places)
    return (places[0] < end).nonzero().squeeze(1), (places[1] < end).nonzero().squeeze(1)


def distribution_estimates(
    x: Rows, y: Rows, counts: Int[Tensor, "b g"], rows: int = _MMD_ROWS, seed: int = 0
) -> dict[str, Sampled]:
    """frechet_centred, and squared_mmd with draws.

    The Frechet distance has no interval: a resample has fewer different rows, and the distance grows with that.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        counts: from `resample_counts`, over the groups of the whole set.
        rows: how many of each modality enter the MMD at most, chosen by case.
        seed: of the choice.
    """
    frechet = Sampled(float(centred_frechet_distance(x.embeddings, y.embeddings)), torch.empty(0))
    x_rows, y_rows = mmd_sample(Pairs(x.cases, y.cases), rows, seed)
    x, y = x.pick(x_rows), y.pick(y_rows)
    pairs = Pairs(x.cases, y.cases)
    case_groups = torch.zeros(pairs.cases, dtype=torch.int64)
    case_groups[x.cases], case_groups[y.cases] = x.groups, y.groups
    kernels = _Kernels(x.embeddings, y.embeddings, pairs)
    return {"frechet_centred": frechet} | estimates(kernels.statistic, case_groups, counts)


class _Kernels:
    """Kernels between rows of different cases, and how many of these there are under case weights."""

    def __init__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs) -> None:
        for side in (pairs.x_cases, pairs.y_cases):
            if not len(side) or bool((side == side[0]).all()):
                raise UsageError("the maximum mean discrepancy needs two cases at least in each modality")
        self.pairs = pairs
        pooled, cases = torch.cat([x, y]), torch.cat([pairs.x_cases, pairs.y_cases])
        squares = pooled.square().sum(1)
        distances = (squares[:, None] + squares - 2 * pooled @ pooled.T).clamp_(min=0)
        upper = torch.ones_like(distances, dtype=torch.bool).triu_(1)
        median = distances[upper].median()
        # More than half of the rows coincide: any width will do, and the rest is then compared at the scale of 1.
        kernels = (-distances / (2 * median if median > 1e-12 else 2)).exp()
        kernels[cases[:, None] == cases] = 0
        self.x, self.y, self.xy = kernels[: len(x), : len(x)], kernels[len(x) :, len(x) :], kernels[: len(x), len(x) :]
        self.x_counts, self.y_counts = (
            torch.bincount(side, minlength=pairs.cases).double() for side in (pairs.x_cases, pairs.y_cases)
        )

    def statistic(self, weights: Float[Tensor, "b c"]) -> Mapping[str, Float[Tensor, "b"]]:
        a, b = (weights[:, side].to(self.x.dtype) for side in (self.pairs.x_cases, self.pairs.y_cases))
        means = []
        for left, kernel, right, left_counts, right_counts in (
            (a, self.x, a, self.x_counts, self.x_counts),
            (b, self.y, b, self.y_counts, self.y_counts),
            (a, self.xy, b, self.x_counts, self.y_counts),
        ):
            total = (left @ kernel).double().mul_(right).sum(1)
            # Copies of a case that is drawn w times are w^2 pairs of one case.
            same = weights.square() @ (left_counts * right_counts)
            means.append(total / ((weights @ left_counts) * (weights @ right_counts) - same))
        return {"squared_mmd": means[0] + means[1] - 2 * means[2]}


def _covariance(rows: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    mean = rows.mean(0, dtype=torch.float64)
    total = mean.new_zeros(len(mean), len(mean))
    for some in torch.split(rows, _ROWS_AT_ONCE):
        centred = some.double() - mean
        total.addmm_(centred.T, centred)
    return total / len(rows)
