"""How evenly rows spread over the sphere: inside a modality, across two, and of the cases' centroids."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.figure import Figure, words
from closegap.metrics.positives import Pairs, case_sums

_KERNELS_AT_ONCE = 2**23
_SHARPNESS = 2.0

CROSS_UNIFORMITY = Figure(
    "cross_uniformity", "Cross-uniformity", "Geometry", "lower", meaning="Spread between non-pairs."
)
CENTROID_UNIFORMITY = Figure(
    "centroid_uniformity", "Centroid uniformity", "Geometry", "lower", meaning="Spread of the cases' centroids."
)


def uniformity_figure(modality: str) -> Figure:
    """The figure of `uniformity` inside a modality."""
    return Figure(
        f"uniformity/{modality}",
        f"Uniformity, {words(modality)}",
        "Geometry",
        "lower",
        meaning=f"Spread inside {words(modality)} over the sphere.",
        of_one=True,
    )


@dataclass(frozen=True)
class KernelSums:
    """Sums of exp(-2 ||x_i - y_j||^2) over rows of different cases, and how many such pairs each row has."""

    x: Float[Tensor, "n"]
    y: Float[Tensor, "m"]
    x_pairs: Float[Tensor, "n"]
    y_pairs: Float[Tensor, "m"]

    @property
    def log_mean(self) -> Float[Tensor, ""]:
        """Log of the mean over all pairs of rows of different cases."""
        return (self.x.sum() / self.x_pairs.sum()).log()


def uniformity(x: Float[Tensor, "n d"], cases: Int[Tensor, "n"] | None = None) -> Float[Tensor, ""]:
    """Log mean over i != j of exp(-2 ||x_i - x_j||^2), in [-8, 0] for unit rows; lower is more evenly spread.

    0 where all rows coincide; about -4 for many random directions in many dimensions.

    Args:
        x: unit rows.
        cases: the case of each row; rows of one case are left out. Each row its own case by default.

    Raises:
        UsageError: fewer than two cases.

    Reference:
        Wang and Isola, Understanding contrastive representation learning through alignment and uniformity on the
        hypersphere, 2020, arXiv 2005.10242, with t = 2.
    """
    cases = torch.arange(len(x), device=x.device) if cases is None else cases
    return kernel_sums(x, x, Pairs(cases, cases)).log_mean


def cross_uniformity(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None) -> Float[Tensor, ""]:
    """Log mean over i != j of exp(-2 ||x_i - y_j||^2), in [-8, 0] for unit rows: `uniformity` across modalities.

    Lower is further apart, be it evenly spread or in two separate clusters: read it beside `uniformity`.

    Reference:
        Fahim et al., It's not a modality gap: characterizing and addressing the contrastive gap, 2024, 2405.18570.
    """
    return kernel_sums(x, y, Pairs.of(x, y, pairs)).log_mean


def centroid_uniformity(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs | None = None, normalised: bool = True
) -> Float[Tensor, ""]:
    """`uniformity` of the cases' centroids, in [-8, 0]; lower is more evenly spread.

    Args:
        x: unit rows of the first modality.
        y: unit rows of the second.
        pairs: which rows are of one case. A case's centroid is the mean of the modalities it has, each the mean of the
            case's rows of it.
        normalised: centroids are brought to unit length first, as in the authors' code; without, as in the paper,
            pairs further apart than others pull their centroid towards 0 and count as less spread.
    """
    mean = centroids(x, y, Pairs.of(x, y, pairs), normalised)
    cases = torch.arange(len(mean), device=mean.device)
    return kernel_sums(mean, mean, Pairs(cases, cases)).log_mean


def centroids(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs, normalised: bool = True
) -> Float[Tensor, "c d"]:
    """The centroid of each case that has a row, in order of case number, in the rows' own precision."""
    total = torch.zeros(pairs.cases, x.shape[1], dtype=torch.float64, device=x.device)
    modalities = torch.zeros(pairs.cases, 1, dtype=torch.float64, device=x.device)
    for rows, cases in ((x, pairs.x_cases), (y, pairs.y_cases)):
        numbers = torch.bincount(cases, minlength=pairs.cases)[:, None]
        total += case_sums(rows, cases, pairs.cases) / numbers.clamp(min=1)
        modalities += numbers > 0
    mean = (total / modalities)[modalities[:, 0] > 0]
    return (normalize(mean, dim=1) if normalised else mean).to(x.dtype)


def kernel_sums(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], pairs: Pairs) -> KernelSums:
    """Row and column sums of the kernel matrix over rows of different cases, in O(n m d) time and O(n + m) memory.

    Raises:
        UsageError: no two rows are of different cases.
    """
    x_factors = (-_SHARPNESS * x.square().sum(1)).exp()
    y_exponents = -_SHARPNESS * y.square().sum(1)
    x_sums, y_sums = (torch.zeros(len(rows), dtype=torch.float64, device=rows.device) for rows in (x, y))
    x_same, y_same = pairs.positives()
    step = max(1, _KERNELS_AT_ONCE // max(1, len(y)))
    bounds = torch.searchsorted(x_same, torch.arange(0, len(x) + step, step, device=x.device)).tolist()
    mirrored = x is y
    for start, first, last in zip(range(0, len(x), step), bounds, bounds[1:], strict=False):
        tile = slice(start, start + step)
        # Inside one modality each pair is met once: the columns before the tile are those of earlier tiles.
        left = start if mirrored else 0
        # exp(-2 ||x - y||^2) = exp(-2 ||x||^2) exp(4 x . y - 2 ||y||^2): one pass over the tile less.
        kernels = torch.addmm(y_exponents[left:], x[tile], y[left:].T, alpha=2 * _SHARPNESS).exp_()
        met = y_same[first:last] >= left
        kernels[x_same[first:last][met] - start, y_same[first:last][met] - left] = 0
        x_sums[tile] += (kernels.sum(1) * x_factors[tile]).double()
        if mirrored:
            x_sums[start + step :] += (x_factors[tile] @ kernels[:, step:]).double()
        else:
            y_sums += (x_factors[tile] @ kernels).double()
    found = KernelSums(
        x_sums,
        x_sums if mirrored else y_sums,
        (len(y) - torch.bincount(x_same, minlength=len(x))).double(),
        (len(x) - torch.bincount(y_same, minlength=len(y))).double(),
    )
    if not found.x_pairs.any():
        raise UsageError("uniformity needs two cases at least")
    return found
