"""GRAM: the volume that a case's embeddings span, in place of pairwise cosines."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.losses.base import Loss
from closegap.losses.centroids import presence
from closegap.losses.contrastive import pair_cross_entropy
from closegap.losses.precision import full_precision
from closegap.losses.rows import check_batch, modality_pairs
from closegap.types import Embeddings, Groups, Present


@full_precision
def volumes(
    anchor: Float[Tensor, "n d"],
    others: Float[Tensor, "m k d"],
    present: Bool[Tensor, "m k"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "n m"]:
    """Volume spanned by anchor i and the k others of case j: about 0 when they coincide, 1 when orthogonal.

    sqrt(det(G + eps I)) with G the Gram matrix of the k + 1 vectors, as the product of its Cholesky diagonal. The
    anchor comes last in that factorisation, so that only its last row depends on i. Where sqrt(|det G|) has an
    infinite slope, at coinciding vectors, this has a finite one.

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
    m, k, d = others.shape
    diagonal = torch.full((m, k), eps, dtype=others.dtype, device=others.device)
    if present is not None:  # an absent vector acts as a unit vector orthogonal to all, which leaves the volume alone
        others = torch.where(present[:, :, None], others, 0.0)
        diagonal = diagonal.masked_fill(~present, 1.0)
    lower: Tensor = torch.linalg.cholesky(others @ others.mT + torch.diag_embed(diagonal))
    cosines = (others.reshape(m * k, d) @ anchor.T).reshape(m, k, len(anchor))
    explained: Tensor = torch.linalg.solve_triangular(lower, cosines, upper=False).square().sum(1)
    last = (anchor.square().sum(1) + eps - explained).clamp(min=eps)  # rounding may fall below the true minimum, eps
    return (lower.diagonal(dim1=1, dim2=2).prod(1)[:, None] * last.sqrt()).T


class GramVolume(Loss):
    """Contrastive loss with minus the volume as similarity, both directions; the term `contrastive`.

    A case counts when it has the anchor and another modality.

    Args:
        anchor: the modality matched against the tuples of the others; the first one by default.
        eps: what is added to the diagonal of the Gram matrices.

    Reference:
        Cicchetti et al., arXiv 2412.11959, without its data-anchor matching term, which needs a network of its own.
    """

    def __init__(self, anchor: str | None = None, eps: float = 1e-5) -> None:
        super().__init__()
        self.anchor = anchor
        self.eps = eps

    def forward(
        self,
        embeddings: Embeddings,
        present: Present,
        temperature: float | Float[Tensor, ""],
        progress: float,
        groups: Groups | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The term `contrastive`; see `Loss.forward`."""
        del progress
        check_batch(embeddings, present, groups)
        (anchor, *_), names = zip(*modality_pairs(embeddings, self.anchor or next(iter(embeddings))), strict=True)
        masks = dict(zip(embeddings, presence(embeddings, present), strict=True))
        others = torch.stack([masks[name] for name in names], 1)
        cases = masks[anchor] & others.any(1)
        logits = -volumes(
            embeddings[anchor][cases],
            torch.stack([embeddings[name][cases] for name in names], 1),
            others[cases],
            self.eps,
        )
        return {"contrastive": pair_cross_entropy(logits / temperature, None if groups is None else groups[cases])}
