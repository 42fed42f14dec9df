"""CyCLIP: CLIP's objective with similarities that must agree between and inside modalities."""

from jaxtyping import Bool, Float
from torch import Tensor

from closegap.losses.base import Loss
from closegap.losses.contrastive import info_nce
from closegap.losses.precision import full_precision
from closegap.losses.rows import check_batch, mean_over_pairs
from closegap.types import Embeddings, Groups, Present


@full_precision
def cross_modal_inconsistency(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], present: Bool[Tensor, "n"] | None = None
) -> Float[Tensor, ""]:
    """1/n sum_ij (a_i . b_j - a_j . b_i)^2: 0 when similarities are symmetric; lower is better.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        present: rows that have both modalities; the others touch neither the value nor a gradient.

    Returns:
        A value of at least 0; 0, with a gradient of 0, for no rows.

    Example:
        >>> import torch
        >>> cross_modal_inconsistency(torch.eye(2), torch.tensor([[0.0, 1.0], [0.0, 1.0]])).item()
        1.0

    Reference:
        Goel et al., CyCLIP: cyclic contrastive language-image pretraining, arXiv 2205.14459.
    """
    if present is not None:
        a, b = a[present], b[present]
    similarities = a @ b.T
    return (similarities - similarities.T).square().sum() / max(len(a), 1)


@full_precision
def in_modal_inconsistency(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], present: Bool[Tensor, "n"] | None = None
) -> Float[Tensor, ""]:
    """1/n sum_ij (a_i . a_j - b_i . b_j)^2: 0 when both modalities are arranged alike; lower is better.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        present: rows that have both modalities; the others touch neither the value nor a gradient.

    Returns:
        A value of at least 0; 0, with a gradient of 0, for no rows.

    Example:
        >>> import torch
        >>> in_modal_inconsistency(torch.eye(2), torch.tensor([[0.0, 1.0], [0.0, 1.0]])).item()
        1.0

    Reference:
        Goel et al., arXiv 2205.14459.
    """
    if present is not None:
        a, b = a[present], b[present]
    return (a @ a.T - b @ b.T).square().sum() / max(len(a), 1)


class CyCLIP(Loss):
    """InfoNCE with both cyclic consistencies, averaged over pairs of modalities.

    Terms `contrastive`, `cross_modal` and `in_modal`. Groups leave InfoNCE's denominators; consistency pushes no rows
    apart, so it takes all of them.

    Args:
        cross_modal: weight of the consistency between modalities.
        in_modal: weight of the consistency inside modalities.

    Reference:
        Goel et al., arXiv 2205.14459; both weights are theirs.
    """

    def __init__(self, cross_modal: float = 0.25, in_modal: float = 0.25) -> None:
        super().__init__()
        self.cross_modal = cross_modal
        self.in_modal = in_modal

    def forward(
        self,
        embeddings: Embeddings,
        present: Present,
        temperature: float | Float[Tensor, ""],
        progress: float,
        groups: Groups | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The three terms; see `Loss.forward`."""
        del progress
        check_batch(embeddings, present, groups)
        contrastive = mean_over_pairs(lambda a, b, rows: info_nce(a, b, temperature, rows, groups), embeddings, present)
        return {
            "contrastive": contrastive,
            "cross_modal": self.cross_modal * mean_over_pairs(cross_modal_inconsistency, embeddings, present),
            "in_modal": self.in_modal * mean_over_pairs(in_modal_inconsistency, embeddings, present),
        }
