"""Uniformity and cross-uniformity, and the objective of Fahim et al. that adds them to CLIP's."""

from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import NonNegativeFloat
from closegap.losses.base import Loss
from closegap.losses.contrastive import InfoNCE
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import full_precision
from closegap.losses.rows import mean_over_modalities, mean_over_pairs, negative_pairs, not_negatives
from closegap.losses.tiled import tiled_uniformity
from closegap.losses.tiled_pairs import tiled_cross_uniformity
from closegap.losses.true_pairs import true_pair_distance
from closegap.types import Groups


def uniformity(x: Float[Tensor, "n d"], groups: Groups | None = None) -> Float[Tensor, ""]:
    """Log of the mean of exp(-2 ||x_i - x_j||^2) over i < j: 0 when all coincide; lower is more uniform.

    Args:
        x: rows, unit-norm as a rule.
        groups: pairs of rows of one group are left out.

    Returns:
        A value in (-8, 0] for unit-norm rows. 0, with a gradient of 0, when there is no pair.

    Example:
        >>> import torch
        >>> round(uniformity(torch.eye(3)).item(), 4)  # every pair at a squared distance of 2
        -4.0

    Reference:
        Wang and Isola, Understanding contrastive representation learning through alignment and uniformity on the
        hypersphere, arXiv 2005.10242, with t = 2.
    """
    return cross_uniformity(x, x, groups)


@full_precision
def cross_uniformity(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """Log of the mean of exp(-2 ||a_i - b_j||^2) over i != j: 0 when all coincide; lower is more uniform.

    Args:
        a: rows of one modality.
        b: rows of the other; row i is the same case as in `a`.
        groups: pairs of rows of one group are left out.

    Returns:
        A value in (-8, 0] for unit-norm rows. 0, with a gradient of 0, when there is no pair.

    Reference:
        Fahim et al., It's not a modality gap: characterizing and addressing the contrastive gap, arXiv 2405.18570.
    """
    pairs = negative_pairs(groups, len(a))
    if pairs == 0:
        return a[:0].sum() + b[:0].sum()
    squared_distances = a.square().sum(1)[:, None] + b.square().sum(1)[None, :] - 2 * a @ b.T
    potentials = (-2 * squared_distances).masked_fill(not_negatives(groups, len(a), a.device), -torch.inf)
    return potentials.flatten().logsumexp(0) - log(pairs)


class UniformityAlignment(Loss):
    """CLIP's objective with alignment, uniformity inside modalities and uniformity across them.

    Terms `contrastive`, `align`, `uniformity` (mean over modalities) and `cross_uniformity` (mean over pairs of
    modalities, like the first two). Large batches are computed tile by tile.

    Args:
        align: weight of the mean squared distance of true pairs.
        uniformity: weight of the uniformity inside each modality.
        cross_uniformity: weight of the uniformity across modalities.

    Reference:
        Fahim et al., arXiv 2405.18570, the objective with all four terms. Uniformities are means over the pairs
        i != j, so that their zero does not depend on the size of the batch.
    """

    def __init__(
        self,
        align: NonNegativeFloat = 1.0,
        uniformity: NonNegativeFloat = 1.0,
        cross_uniformity: NonNegativeFloat = 1.0,
    ) -> None:
        super().__init__()
        self.contrastive = InfoNCE()
        self.align = align
        self.uniformity = uniformity
        self.cross_uniformity = cross_uniformity

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The four terms; see `Loss.terms`."""
        inside = mean_over_modalities(batch, uniformity, tiled_uniformity)
        across = mean_over_pairs(batch, cross_uniformity, tiled=tiled_cross_uniformity)
        return {
            **self.contrastive.terms(batch),
            "align": self.align * mean_over_pairs(batch, lambda a, b, _: true_pair_distance(a, b)),
            "uniformity": self.uniformity * inside,
            "cross_uniformity": self.cross_uniformity * across,
        }
