"""Centroid Uniformity: spread the cases over the sphere, whatever modalities they have."""

from math import log

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.losses.base import Loss
from closegap.losses.centroids import centroids
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.kernels import kernels_apply
from closegap.losses.rows import negative_pairs, rows_with_any
from closegap.losses.tiled import tiled_uniformity
from closegap.losses.tiling import takes_tiles
from closegap.losses.uniformity import uniformity
from closegap.types import Embeddings, Groups, Present

_SHORTEST = 1e-6  # centroids below this length (opposite embeddings) are not blown up to unit length


def centroid_uniformity(
    embeddings: Embeddings, present: Present, groups: Groups | None = None, paper: bool = False
) -> Float[Tensor, ""]:
    """Log of the mean of exp(-2 ||mu_i - mu_j||^2) over the pairs of cases i < j; lower is more uniform.

    mu_i is the mean of case i's present embeddings, scaled to unit length. A case with one modality counts, a case
    with none does not. The value depends on n: compare runs at equal batch size. Many cases are computed tile by
    tile; those of bfloat16 embeddings on a GPU by Triton kernels.

    Args:
        embeddings: unit-norm rows by modality.
        present: which rows have a modality; absent rows are never read.
        groups: pairs of cases of one group are left out.
        paper: the paper's variant, log(1/N sum_i sum_{j != i} exp(-2 ||mu_i - mu_j||^2)) of centroids that keep
            their length, in place of the authors' code's. The normalisers differ by log(N - 1), the lengths also
            reward a case whose embeddings agree.

    Returns:
        A value in (-8, 0], 0 when all centroids coincide; at most log(N - 1) with `paper`. 0, with a gradient of 0,
        when there is no pair.

    Example:
        >>> import torch
        >>> views = {"image": torch.eye(3), "text": torch.eye(3)}
        >>> round(centroid_uniformity(views, {}).item(), 4)  # every pair at a squared distance of 2
        -4.0

    Reference:
        Grassucci et al., arXiv 2602.20046, Centroid Uniformity; the default follows the authors' code.
    """
    mu = centroids(embeddings, present)
    cases = rows_with_any(embeddings, present)
    if cases is not None:
        mu, groups = mu[cases], None if groups is None else groups[cases]
    if not paper:
        mu = normalize(mu, dim=1, eps=_SHORTEST)
    large = takes_tiles(len(mu))
    if large and kernels_apply(next(iter(embeddings.values()))):
        mu = mu.to(torch.bfloat16)  # what the kernels multiply
    value = (tiled_uniformity if large else uniformity)(mu, groups=groups)
    pairs_per_case = negative_pairs(groups, len(mu)) / max(len(mu), 1)
    return value + log(pairs_per_case) if paper and pairs_per_case else value


class CentroidUniformity(Loss):
    """Centroid Uniformity of the batch; the term `uniformity`.

    Args:
        paper: the paper's variant in place of the authors' code's; see `centroid_uniformity`.
    """

    def __init__(self, paper: bool = False) -> None:
        super().__init__()
        self.paper = paper

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `uniformity`; see `Loss.terms`."""
        return {"uniformity": centroid_uniformity(batch.embeddings, batch.present, batch.groups, self.paper)}
