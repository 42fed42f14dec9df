"""Cosines of true pairs beside those of everything else: one never stands without the other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.figure import Figure, words
from closegap.metrics.positives import Pairs, case_sums

_HEADING = "Gap"

COS_NULL = Figure(
    "cos_null",
    "cos null",
    _HEADING,
    "zero",
    meaning="Mean cosine of items that do not belong together.",
    key=True,
)
COS_TRUE_PAIRS = Figure(
    "cos_true_pairs",
    "cos true pairs",
    _HEADING,
    meaning="Mean cosine of true pairs; a cone inflates it, so read it beside the null.",
    key=True,
    beside=(COS_NULL.name,),
)
COS_CORRECTED = Figure(
    "cos_corrected",
    "cos corrected",
    _HEADING,
    "higher",
    meaning="Cosine of true pairs minus the null.",
    key=True,
    beside=(COS_NULL.name,),
)
RMG = Figure(
    "rmg",
    "Relative gap (RMG)",
    _HEADING,
    "lower",
    meaning="Distance of true pairs relative to distances inside.",
)


def mean_angular_figure(modality: str) -> Figure:
    """The figure of `mean_angular_value` inside a modality."""
    return Figure(
        f"mean_angular/{modality}",
        f"Mean cosine, {words(modality)}",
        "Geometry",
        meaning=f"Mean cosine inside {words(modality)}.",
        of_one=True,
    )


_ROUNDING = 1e-6  # a row of single precision is of norm 1 up to some 1e-7, and so is its cosine with itself


def cosine_true_pairs(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None
) -> Float[Tensor, ""]:
    """Mean cosine of the true pairs, in [-1, 1]; higher is closer, but a cone raises it too (`cosine_null`).

    Args:
        x: unit rows of the first modality.
        y: unit rows of the second.
        pairs: which rows are of one case; every positive pair counts once. Aligned one to one by default.

    Raises:
        UsageError: not one pair.
    """
    pairs = Pairs.of(x, y, pairs)
    total, count = _true_pairs(x, y, pairs)
    if not count:
        raise UsageError("no case has both modalities, so there is no true pair to measure")
    return total / count


def cosine_null(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None) -> Float[Tensor, ""]:
    """Mean cosine of rows of different cases across the modalities, in [-1, 1]: what a pair shows by chance.

    The mean over i != j of x_i . y_j, exact from sums in O(n d): (sum_i x_i) . (sum_j y_j) less the true pairs.

    Raises:
        UsageError: fewer than two cases.
    """
    pairs = Pairs.of(x, y, pairs)
    total, count = _true_pairs(x, y, pairs)
    others = len(x) * len(y) - count
    if not others:
        raise UsageError("the cosine of non-pairs needs two cases at least")
    return (x.sum(0, dtype=torch.float64) @ y.sum(0, dtype=torch.float64) - total) / others


def cosine_corrected(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None) -> Float[Tensor, ""]:
    """`cosine_true_pairs` less `cosine_null`: how much closer true pairs are than chance; higher is better."""
    return cosine_true_pairs(x, y, pairs) - cosine_null(x, y, pairs)


def mean_angular_value(x: Float[Tensor, "n d"], cases: Int[Tensor, "n"] | None = None) -> Float[Tensor, ""]:
    """Mean cosine of rows of different cases inside one modality, in [-1, 1]: 0 on the sphere, towards 1 in a cone.

    The mean over i != j of x_i . x_j, from sums in O(n d).

    Args:
        x: unit rows.
        cases: the case of each row; each row its own by default.

    Raises:
        UsageError: fewer than two cases.
    """
    cases = torch.arange(len(x), device=x.device) if cases is None else cases
    return cosine_null(x, x, Pairs(cases, cases))


def relative_modality_gap(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None
) -> Float[Tensor, ""]:
    """Distance of true pairs relative to the spread inside the modalities, in [0, 1]; lower is better.

    D_xy / (D_xy + (D_x + D_y) / 2) with D = mean of (1 - cos) / 2: over the true pairs for D_xy, over rows of different
    cases inside a modality for D_x and D_y. 0 when every pair coincides, 1/2 when a true pair is as far apart as two
    random rows of a modality, 1 when each modality is a single point. Where everything is one point there is no
    spread and no distance, and the value is 0.

    Reference:
        Published copies mix (1 - cos) and (1 - cos) / 2 between the terms; here all three have one scale.
    """
    pairs = Pairs.of(x, y, pairs)
    across = (1 - cosine_true_pairs(x, y, pairs)) / 2
    inside = (2 - mean_angular_value(x, pairs.x_cases) - mean_angular_value(y, pairs.y_cases)) / 4
    return relative_gap(across, inside)


def relative_gap(across: Float[Tensor, "..."], inside: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Across / (across + inside) of mean distances (1 - cos) / 2; 0 where both are 0 up to the rounding of the rows."""
    across, inside = across.clamp(min=0), inside.clamp(min=0)
    total = across + inside
    return torch.where(total > _ROUNDING, across / total.clamp(min=_ROUNDING), 0.0)


def _true_pairs(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs) -> tuple[Float[Tensor, ""], int]:
    # Over a case's rows, the sum of all products is the product of the sums.
    total = (case_sums(x, pairs.x_cases, pairs.cases) * case_sums(y, pairs.y_cases, pairs.cases)).sum()
    x_counts = torch.bincount(pairs.x_cases, minlength=pairs.cases)
    return total, int(x_counts @ torch.bincount(pairs.y_cases, minlength=pairs.cases))
