"""The distance between the centres of two modalities, and how much of it a finite sample makes by itself."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.figure import Figure
from closegap.metrics.positives import Pairs, case_blocks

_HEADING = "Gap"
_NULL = ("cos_null",)  # a gap is free in a cone

GAP = Figure(
    "gap",
    "Modality gap",
    _HEADING,
    "lower",
    meaning="Distance between the modalities' mean embeddings, 0 to 2.",
    key=True,
    headline=1,
    beside=_NULL,
)
GAP_FLOOR = Figure(
    "gap_floor",
    "Sampling floor",
    _HEADING,
    meaning="The gap that a sample of this size shows even where the populations have none.",
    key=True,
    beside=_NULL,
)
GAP_DEBIASED = Figure(
    "gap_debiased",
    "Debiased gap",
    _HEADING,
    "lower",
    meaning="The gap with its sampling floor taken out.",
    beside=_NULL,
)
GAP_TOP_DIMENSIONS = Figure(
    "gap_top_dimensions",
    "Gap in its top dimensions",
    "Geometry",
    unit="percent",
    meaning="Share of the squared gap that its few largest dimensions carry.",
    order=1,
)


def modality_gap(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """Distance between the modalities' centres, in [0, 2] for unit rows; 0 when the centres coincide.

    ||mean_i x_i - mean_j y_j||_2. Lower is not better by itself: subtracting the means makes it 0 and moves no pair
    closer to another, and a finite sample has a gap above 0 in any case (`sampling_floor`).

    Reference:
        Liang et al., Mind the Gap, 2022, arXiv 2203.02053.
    """
    _expect_rows(x, y)
    return (_mean(x) - _mean(y)).square().sum().sqrt()


def sampling_floor(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None, groups: Int[Tensor, "c"] | None = None
) -> Float[Tensor, ""]:
    """The gap that a sample of this size shows where the populations have none, at least 0.

    The root of the expected squared distance of mean(x) - mean(y) from its population value: the square root of the
    sum of `sampling_variance`. For n aligned rows it is sqrt(mean_i ||(x_i - y_i) - mean(x - y)||^2 / n).

    Args:
        x: rows of the first modality.
        y: rows of the second.
        pairs: the cases of the rows; aligned one to one by default.
        groups: the group of each case, where groups were sampled; each case alone by default.
    """
    return sampling_variance(x, y, pairs, groups).sum().sqrt()


def sampling_variance(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None, groups: Int[Tensor, "c"] | None = None
) -> Float[Tensor, "d"]:
    """Variance of each dimension of mean(x) - mean(y) over samples of this size.

    The units that are sampled are the cases or, if given, the groups: sum_u e_u^2, where e_u is what unit u adds to the
    difference of means, (sum of its x - n_u mean(x)) / n - (sum of its y - m_u mean(y)) / m.
    """
    _expect_rows(x, y)
    pairs = Pairs.of(x, y, pairs)
    x_units, y_units = pairs.x_cases, pairs.y_cases
    if groups is not None:
        x_units, y_units = groups[x_units], groups[y_units]
    means = (_mean(x), _mean(y))
    variance = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for block, rows in case_blocks((x_units, y_units), Pairs(x_units, y_units).cases):
        parts = torch.zeros(block.stop - block.start, x.shape[1], dtype=torch.float64, device=x.device)
        for side, units, mean, picked, sign in zip((x, y), (x_units, y_units), means, rows, (1, -1), strict=True):
            parts.index_add_(0, units[picked] - block.start, side[picked].double() - mean, alpha=sign / len(side))
        variance += parts.square_().sum(0)
    return variance


def debiased_gap(gap: Float[Tensor, "..."], floor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The gap without what the sample's size adds to it: sqrt(max(0, gap^2 - floor^2))."""
    return (gap.square() - floor.square()).clamp(min=0).sqrt()


def gap_concentration(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], k: int = 3) -> Float[Tensor, ""]:
    """Share of the squared gap carried by its k largest dimensions, in [k/d, 1]; 1 where there is no gap.

    Close to 1 where a few dimensions do nothing but tell the modalities apart. It depends on the axes: a rotation of
    the embeddings changes it, unlike the gap.
    """
    _expect_rows(x, y)
    squares = (_mean(x) - _mean(y)).square()
    largest = squares[largest_dimensions(x, y, k)].sum()
    return torch.where(squares.any(), largest / squares.sum(), 1.0)


def largest_dimensions(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], k: int = 3) -> Int[Tensor, "k"]:
    """The k dimensions in which the modalities' centres are furthest apart, the furthest first."""
    _expect_rows(x, y)
    return (_mean(x) - _mean(y)).abs().topk(min(k, x.shape[1])).indices


def _mean(rows: Float[Tensor, "n d"]) -> Float[Tensor, "d"]:
    return rows.mean(0, dtype=torch.float64)


def _expect_rows(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> None:
    if not len(x) or not len(y):
        raise UsageError(f"a gap needs rows of both modalities, got {len(x)} and {len(y)}")
