"""CyCLIP: CLIP's objective with similarities that must agree between and inside modalities."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from closegap.bounds import NonNegativeFloat
from closegap.losses.base import Loss
from closegap.losses.contrastive import InfoNCE
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import full_precision
from closegap.losses.processes import Alone, Processes, processes
from closegap.losses.rows import mean_over_pairs
from closegap.losses.tiling import takes_tiles

_BLOCK = 1024  # rows that are in float64 at a time


@full_precision
def inconsistencies(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "2"]:
    """Cross-modal 1/n sum_ij (a_i . b_j - a_j . b_i)^2 and in-modal 1/n sum_ij (a_i . a_j - b_i . b_j)^2.

    With the rows' differences D = a - b and sums S = a + b, the squared matrices are (D S^T -+ S D^T) / 2. Of more rows
    than columns their sums of squares are taken as (<D^T D, S^T S> -+ <S^T D, D^T S>) / 2, in 16 n d^2 operations and
    without an n x n matrix. All in float64: where the modalities nearly agree these products nearly cancel.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.

    Returns:
        Two values of at least 0; lower is better. The first is 0 where similarities are symmetric, the second where
        both modalities are arranged alike. Both are 0, with a gradient of 0, for no rows. Differentiable once.

    Example:
        >>> import torch
        >>> inconsistencies(torch.eye(2), torch.tensor([[0.0, 1.0], [0.0, 1.0]])).tolist()
        [1.0, 1.0]

    Reference:
        Goel et al., CyCLIP: cyclic contrastive language-image pretraining, arXiv 2205.14459.
    """
    if len(a) > a.shape[1]:
        values: Tensor = _OfColumns.apply(a, b, processes() if takes_tiles(len(a)) else Alone())
        return values
    differences, sums = _differences_and_sums(a, b).chunk(2, 1)
    crossed = differences @ sums.T
    squares = [(crossed + sign * crossed.T).square().sum() for sign in (-1, 1)]
    return (torch.stack(squares) / (4 * max(len(a), 1))).to(a)


class _OfColumns(torch.autograd.Function):
    """Both inconsistencies from [D S]^T [D S], to which every process adds its share of the rows."""

    @staticmethod
    def forward(ctx: Any, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], processes: Processes) -> Float[Tensor, "2"]:
        d = a.shape[1]
        share = slice(len(a) * processes.rank // processes.size, len(a) * (processes.rank + 1) // processes.size)
        gram = torch.zeros(2 * d, 2 * d, dtype=torch.float64, device=_device_of_float64(a))
        for rows in _blocks(share):
            x = _differences_and_sums(a[rows], b[rows])
            gram.addmm_(x.T, x)
        gram = processes.sum(gram)
        ctx.save_for_backward(a, b, gram)
        ctx.share, ctx.size = share, processes.size
        products, mixed = (gram[:d, :d] * gram[d:, d:]).sum(), (gram[d:, :d] * gram[d:, :d].T).sum()
        return (torch.stack([products - mixed, products + mixed]).clamp_(min=0) / (2 * max(len(a), 1))).to(a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "2"]) -> tuple[Tensor, Tensor, None]:
        a, b, gram = ctx.saved_tensors
        d = a.shape[1]
        cross_modal, in_modal = gradient.to(gram) * (ctx.size / max(len(a), 1))
        of_products, of_mixed = in_modal + cross_modal, in_modal - cross_modal
        of_differences = torch.cat([of_products * gram[d:, d:], of_mixed * gram[:d, d:]])
        of_sums = torch.cat([of_mixed * gram[d:, :d], of_products * gram[:d, :d]])
        gradient_a, gradient_b = torch.zeros_like(a), torch.zeros_like(b)
        with torch.autocast(a.device.type, enabled=False):  # also for a caller whose autocast spans its backward pass
            for rows in _blocks(ctx.share):
                x = _differences_and_sums(a[rows], b[rows])
                gradient_a[rows] = (x @ (of_sums + of_differences)).to(a)
                gradient_b[rows] = (x @ (of_sums - of_differences)).to(b)
        return gradient_a, gradient_b, None


def _blocks(share: slice) -> Iterator[slice]:
    """The share, some rows at a time."""
    return (slice(first, min(first + _BLOCK, share.stop)) for first in range(share.start, share.stop, _BLOCK))


def _differences_and_sums(a: Float[Tensor, "r d"], b: Float[Tensor, "r d"]) -> Float[Tensor, "r 2d"]:
    a, b = (rows.to(_device_of_float64(rows)).double() for rows in (a, b))
    return torch.cat([a - b, a + b], 1)


def _device_of_float64(rows: Tensor) -> torch.device:
    """Where the rows are, or the processor, since MPS has no float64."""
    return torch.device("cpu") if rows.device.type == "mps" else rows.device


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

    def __init__(self, cross_modal: NonNegativeFloat = 0.25, in_modal: NonNegativeFloat = 0.25) -> None:
        super().__init__()
        self.contrastive = InfoNCE()
        self.cross_modal = cross_modal
        self.in_modal = in_modal

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The three terms; see `Loss.terms`."""
        cross_modal, in_modal = mean_over_pairs(batch, lambda a, b, _: inconsistencies(a, b))
        return {
            **self.contrastive.terms(batch),
            "cross_modal": self.cross_modal * cross_modal,
            "in_modal": self.in_modal * in_modal,
        }
