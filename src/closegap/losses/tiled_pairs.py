"""Sums over all pairs of rows without their n x n matrix: exact, tile by tile, in O(n d) memory.

Unlike a softmax, a sum of terms of one pair each knows its derivative at once: value and gradient come from one pass of
6 n^2 d operations.
"""

from collections.abc import Callable
from math import log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid

from closegap.losses.precision import full_precision
from closegap.losses.rows import negative_pairs
from closegap.losses.tiles import TorchTiles, tiles_in
from closegap.types import Groups

TileTerm = Callable[[Float[Tensor, "r c"], Float[Tensor, "r c"]], Float[Tensor, ""]]
"""Sum of a function of a tile's logits, which its derivatives overwrite; the second tile is memory to work in."""


@full_precision
def tiled_pair_sigmoid(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    bias: float | Float[Tensor, ""],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """What `pair_sigmoid` returns, in O(n d) memory; differentiable once.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        bias: what is added to every logit.
        groups: rows of one group are not each other's negatives.
    """
    scale = torch.as_tensor(1 / temperature, dtype=a.dtype, device=a.device)
    biases = torch.as_tensor(bias, dtype=a.dtype, device=a.device).expand(len(a))
    positives = -logsigmoid((a * b).sum(1) * scale + biases)
    nothing = torch.zeros_like(biases)
    negatives: Tensor = _SumOverNegatives.apply(a, b, scale, nothing, biases, groups, _softplus)
    return (positives.sum() + negatives) / max(len(a), 1)


@full_precision
def tiled_cross_uniformity(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """What `cross_uniformity` returns for rows of length at most 1, in O(n d) memory; differentiable once.

    Args:
        a: rows of one modality, of length at most 1.
        b: rows of the other, likewise; row i is the same case as in `a`.
        groups: pairs of rows of one group are left out.
    """
    pairs = negative_pairs(groups, len(a))
    if pairs == 0:
        return a[:0].sum() + b[:0].sum()
    of_rows, of_columns = (-2 * rows.square().sum(1) for rows in (a, b))
    scale = a.new_tensor(4.0)
    total: Tensor = _SumOverNegatives.apply(a, b, scale, of_rows, of_columns, groups, _exp)
    return total.log() - log(pairs)


class _SumOverNegatives(torch.autograd.Function):
    """Sum over i != j, of different groups, of a term of the logits scale * a_i . b_j + of_rows_i + of_columns_j.

    All gradients are taken in the same pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: Float[Tensor, "n d"],
        b: Float[Tensor, "n d"],
        scale: Float[Tensor, ""],
        of_rows: Float[Tensor, "n"],
        of_columns: Float[Tensor, "n"],
        groups: Groups | None,
        term: TileTerm,
    ) -> Float[Tensor, ""]:
        tiling, tiles = tiles_in(TorchTiles, a, b, groups)
        alpha = scale.item()
        by_a, by_b, by_lines = torch.zeros_like(a), torch.zeros_like(b), a.new_zeros(2, len(a))
        total = a.new_zeros(())
        for rows, columns in tiling.all():
            logits, spare = tiles.logits((rows, columns), alpha, of_rows, of_columns)
            total += term(logits, spare)
            if any(ctx.needs_input_grad):
                tiles.add_product(by_a[rows], logits, b[columns])
                tiles.add_product(by_b[columns], logits.T, a[rows])
                by_lines[0, rows] += logits.sum(1)
                by_lines[1, columns] += logits.sum(0)
        # a parameter of the loss itself may be behind the logits, and no one else takes its mean over processes
        whole = tiling.processes.sum(torch.cat([total[None], (a * by_a).sum()[None], by_lines.flatten()]))
        ctx.save_for_backward(by_a.mul_(scale), by_b.mul_(scale), whole)
        ctx.size = tiling.processes.size
        return whole[0].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        by_a, by_b, whole = ctx.saved_tensors
        by_rows, by_columns = whole[2:].chunk(2)
        own = gradient * ctx.size
        return (
            *(by_a * own, by_b * own),
            *(by * gradient for by in (whole[1], by_rows, by_columns)),
            *(None, None),
        )


def _exp(logits: Float[Tensor, "r c"], spare: Float[Tensor, "r c"]) -> Float[Tensor, ""]:
    return logits.exp_().sum()


def _softplus(logits: Float[Tensor, "r c"], spare: Float[Tensor, "r c"]) -> Float[Tensor, ""]:
    """log(1 + exp(l)) = max(l, 0) + log(1 + exp(-|l|)), whose derivative is the sigmoid."""
    total = torch.abs(logits, out=spare).neg_().exp_().log1p_().sum()
    total += torch.clamp(logits, min=0, out=spare).sum()
    logits.sigmoid_()
    return total
