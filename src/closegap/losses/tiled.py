"""InfoNCE and uniformity without their n x n matrix: exact, tile by tile, in O(n d) memory.

The matrices are computed a tile at a time. InfoNCE keeps running log-sum-exps of rows and columns and computes the
tiles again in its backward pass, 8 n^2 d operations in all. Uniformity is one sum, so value and gradient come from one
pass, and symmetry halves it: 3 n^2 d.
"""

from math import log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from closegap.losses.kernels import kernels_apply
from closegap.losses.precision import full_precision_unless
from closegap.losses.rows import negative_pairs
from closegap.losses.tiles import LOG2_E, LogSums, form_of, tiles_of
from closegap.types import Groups

_SLICE = 1024  # rows at a time where a product of all would be a matrix of its own


@full_precision_unless(kernels_apply)
def tiled_info_nce(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """What `info_nce` returns, in O(n d) memory; differentiable once.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        groups: rows of one group are not each other's negatives.
    """
    dtype = torch.promote_types(a.dtype, b.dtype)  # kernels multiply rows of one type
    a, b = a.to(dtype), b.to(dtype)
    scale = torch.as_tensor(LOG2_E / temperature, dtype=_summed(a), device=a.device)
    margins: Tensor = _Margins.apply(a.contiguous(), b.contiguous(), scale, groups)
    return softplus(margins / LOG2_E).sum() / (2 * max(len(a), 1))


@full_precision_unless(kernels_apply)
def tiled_uniformity(
    x: Float[Tensor, "n d"],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """What `uniformity` returns for rows of length at most 1, in O(n d) memory; differentiable once.

    Such rows, unit vectors and their centroids, are at most 2 apart: no potential is below exp(-8), and the sum needs
    no running maximum.

    Args:
        x: rows of length at most 1.
        groups: pairs of rows of one group are left out.
    """
    pairs = negative_pairs(groups, len(x))
    if pairs == 0:
        return x[:0].sum(dtype=_summed(x))
    value: Tensor = _LogPotential.apply(x.contiguous(), groups)
    return value - log(pairs)


class _Margins(torch.autograd.Function):
    """log2 sum 2^negative - positive of every row and every column of the logits scale * a @ b.T."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Float[Tensor, "n d"],
        b: Float[Tensor, "n d"],
        scale: Float[Tensor, ""],
        groups: Groups | None,
    ) -> Float[Tensor, "2 n"]:
        tiling, form = tiles_of(a, b, groups)
        alpha = scale.item()  # once: a GPU would be waited for at every tile
        running = LogSums(len(a), scale)
        for place in tiling.all():
            running.add(place, *form.sums(place, alpha))
        sums = running.over(tiling.processes)
        ctx.save_for_backward(a, b, scale, groups, sums)
        ctx.tiling = tiling
        return sums - scale * _true_pairs(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "2 n"]) -> tuple[Tensor, Tensor, Tensor, None]:
        a, b, scale, groups, sums = ctx.saved_tensors
        form = form_of(a)(a, b, groups, min(ctx.tiling.side, len(a)))
        alpha = scale.item()
        of_positives = -gradient.sum(0)  # every process has all of these, and its part of the tiles
        of_sums = gradient * ctx.tiling.processes.size
        gradient_a, gradient_b = b * of_positives[:, None], a * of_positives[:, None]
        with torch.autocast(a.device.type, enabled=False):  # also for a caller whose autocast spans its backward pass
            for rows, columns in ctx.tiling.all():
                weights = form.weights((rows, columns), alpha, sums, of_sums)
                form.add_product(gradient_a[rows], weights, b[columns])
                form.add_product(gradient_b[columns], weights.T, a[rows])
            of_scale = _true_pairs(a, gradient_a).sum()
        return gradient_a.mul_(scale).to(a.dtype), gradient_b.mul_(scale).to(b.dtype), of_scale, None


class _LogPotential(torch.autograd.Function):
    """Log of the sum of exp(-2 ||x_i - x_j||^2) over ordered pairs of different groups."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "n d"], groups: Groups | None) -> Float[Tensor, ""]:
        tiling, form = tiles_of(x, x, groups)
        total = x.new_zeros(len(x), dtype=_summed(x))
        exponents = -2 * LOG2_E * _true_pairs(x, x)
        weighted = total.new_zeros(x.shape) if ctx.needs_input_grad[0] else None
        for rows, columns in tiling.upper():
            potentials, of_rows, of_columns = form.potentials((rows, columns), exponents)
            mirrored = [(rows, columns, potentials, of_rows), (columns, rows, potentials.T, of_columns)]
            for lines, others, weights, sums in mirrored[: 1 if rows == columns else 2]:
                total[lines] += sums
                if weighted is not None:
                    form.add_product(weighted[lines], weights, x[others])
        everything = tiling.processes.sum(total.sum())
        if weighted is not None:
            weighted.addcmul_(x, total[:, None], value=-1).mul_(8 * tiling.processes.size / everything)
            ctx.save_for_backward(weighted.to(x.dtype))
        return everything.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0] * gradient, None


def _summed(rows: Tensor) -> torch.dtype:
    """What sums over these rows are taken in."""
    return torch.promote_types(rows.dtype, torch.float32)


def _true_pairs(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """a_i . b_i, without a third matrix."""
    slices = [slice(first, first + _SLICE) for first in range(0, max(len(a), 1), _SLICE)]
    return torch.cat([(a[rows].to(_summed(a)) * b[rows]).sum(1) for rows in slices])
