"""GRAM: the volume that a case's embeddings span, in place of pairwise cosines."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from closegap.bounds import SmallFloat
from closegap.losses.base import Loss
from closegap.losses.centroids import presence
from closegap.losses.contrastive import pair_cross_entropy
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.over_negatives import logsumexp_over_negatives
from closegap.losses.precision import full_precision
from closegap.losses.rows import modality_pairs
from closegap.losses.tiling import takes_tiles
from closegap.types import Groups


@full_precision
def volumes(
    anchor: Float[Tensor, "n d"],
    others: Float[Tensor, "m k d"],
    present: Bool[Tensor, "m k"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "n m"]:
    """Volume spanned by anchor i and the k others of case j: about 0 when they coincide, 1 when orthogonal.

    sqrt(det(G + eps I)) with G the Gram matrix of the k + 1 vectors, as the product of its Cholesky diagonal. The
    anchor comes last in that factorisation, so that only its last row depends on i, through products with k vectors of
    j. Where sqrt(|det G|) has an infinite slope, at coinciding vectors, this has a finite one.

    Args:
        anchor: unit-norm rows of the anchor modality.
        others: unit-norm rows of the other modalities, stacked.
        present: which of the others a case has; the volume is the one of what it has.
        eps: what is added to the diagonal.

    Returns:
        Volumes of at least about eps^((k + 1) / 2), at most (1 + eps)^((k + 1) / 2).

    Example:
        >>> import torch
        >>> volumes(torch.eye(2), torch.eye(2)[:, None, :]).round(decimals=2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]

    Reference:
        Cicchetti et al., Gramian multimodal representation learning and alignment, arXiv 2412.11959. The authors'
        code takes sqrt(|det G|), whose gradient is NaN at perfect alignment.
    """
    axes, bases = _orthonormal(others, present, eps)
    return _volumes(_cosines(anchor, axes), anchor.square().sum(1)[:, None], bases, eps)


@full_precision
def volume_contrast(
    anchor: Float[Tensor, "n d"],
    others: Float[Tensor, "n k d"],
    present: Bool[Tensor, "n k"],
    temperature: float | Float[Tensor, ""],
    groups: Groups | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, ""]:
    """Mean cross-entropy, both ways, of telling a case's volume from those of its anchor with others' vectors.

    Of many cases it is computed tile by tile, in O(n d) memory, each tile again in the backward pass.

    Args:
        anchor: unit-norm rows of the anchor modality.
        others: unit-norm rows of the other modalities, stacked; row i is the same case as in `anchor`.
        present: which of the others a case has.
        temperature: tau > 0, what volumes are divided by.
        groups: rows of one group are not each other's negatives.
        eps: what is added to the diagonal of the Gram matrices.

    Returns:
        The mean over rows and both directions. 0, with a gradient of 0, for one row or none.
    """
    axes, bases = _orthonormal(others, present, eps)
    lengths = anchor.square().sum(1)
    tau = torch.as_tensor(temperature, dtype=anchor.dtype, device=anchor.device)

    def logits(
        anchor: Float[Tensor, "r d"],
        lengths: Float[Tensor, "r"],
        axes: Float[Tensor, "c k d"],
        bases: Float[Tensor, "c"],
        temperature: Float[Tensor, ""],
    ) -> Float[Tensor, "r c"]:
        return -_volumes(_cosines(anchor, axes), lengths[:, None], bases, eps) / temperature

    if not takes_tiles(len(anchor)):
        return pair_cross_entropy(logits(anchor, lengths, axes, bases, tau), groups)
    positives = -_volumes((axes @ anchor[:, :, None]).squeeze(2), lengths, bases, eps) / tau
    sums = logsumexp_over_negatives(logits, (anchor, lengths), (axes, bases), (tau,), groups)
    return softplus(sums - positives).sum() / (2 * max(len(anchor), 1))


def _orthonormal(
    others: Float[Tensor, "m k d"], present: Bool[Tensor, "m k"] | None, eps: float
) -> tuple[Float[Tensor, "m k d"], Float[Tensor, "m"]]:
    """Each case's vectors made orthonormal by the Cholesky factor of their Gram matrix, and their volume."""
    diagonal = torch.full(others.shape[:2], eps, dtype=others.dtype, device=others.device)
    if present is not None:  # an absent vector acts as a unit vector orthogonal to all, which leaves the volume alone
        others = torch.where(present[:, :, None], others, 0.0)
        diagonal = diagonal.masked_fill(~present, 1.0)
    lower: Tensor = torch.linalg.cholesky(others @ others.mT + torch.diag_embed(diagonal))
    axes: Tensor = torch.linalg.solve_triangular(lower, others, upper=False)
    return axes, lower.diagonal(dim1=1, dim2=2).prod(1)


def _cosines(anchor: Float[Tensor, "n d"], axes: Float[Tensor, "m k d"]) -> Float[Tensor, "n m k"]:
    return (anchor @ axes.flatten(0, 1).T).view(len(anchor), *axes.shape[:2])


def _volumes(
    cosines: Float[Tensor, "... k"], lengths: Float[Tensor, "..."], bases: Float[Tensor, "..."], eps: float
) -> Float[Tensor, "..."]:
    """Volumes of bases times what of an anchor's squared length their axes leave unexplained."""
    last = (lengths + eps - cosines.square().sum(-1)).clamp(min=eps)  # rounding may fall below the true minimum, eps
    return bases * last.sqrt()


class GramVolume(Loss):
    """Contrastive loss with minus the volume as similarity, both directions; the term `contrastive`.

    A case counts when it has the anchor and another modality. Large batches are computed tile by tile.

    Args:
        anchor: the modality matched against the tuples of the others; the first one by default.
        eps: what is added to the diagonal of the Gram matrices.

    Reference:
        Cicchetti et al., arXiv 2412.11959, without its data-anchor matching term, which needs a network of its own.
    """

    def __init__(self, anchor: str | None = None, eps: SmallFloat = 1e-5) -> None:
        super().__init__()
        self.anchor = anchor
        self.eps = eps

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `contrastive`; see `Loss.terms`."""
        embeddings, groups = batch.embeddings, batch.groups
        (anchor, *_), names = zip(*modality_pairs(embeddings, self.anchor or next(iter(embeddings))), strict=True)
        masks = dict(zip(embeddings, presence(embeddings, batch.present), strict=True))
        others = torch.stack([masks[name] for name in names], 1)
        cases = masks[anchor] & others.any(1)
        value = volume_contrast(
            embeddings[anchor][cases],
            torch.stack([embeddings[name][cases] for name in names], 1),
            others[cases],
            batch.temperature,
            None if groups is None else groups[cases],
            self.eps,
        )
        return {"contrastive": value}
