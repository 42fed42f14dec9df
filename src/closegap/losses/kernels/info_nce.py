"""InfoNCE of bfloat16 rows on a GPU.

A program takes a block of rows of one side past all rows of the other. Forward runs once for each side, and so does
backward: 12 n^2 d operations with the recomputed logits, none of them in memory.
"""

from math import log
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from closegap.losses.kernels.blocks import CONFIGS, Blocks, group_numbers, load_rows, padded
from closegap.losses.processes import Processes, processes
from closegap.types import Groups

_LOG2_E = 1 / log(2)


def kernel_info_nce(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    present: Tensor | None = None,
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """What `info_nce` returns, with products of the rows as they are and everything else in float32.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        present: rows that have both modalities.
        groups: rows of one group are not each other's negatives.
    """
    if present is not None:
        a, b = a[present], b[present]
        groups = None if groups is None else groups[present]
    scale = torch.as_tensor(_LOG2_E / temperature, dtype=torch.float32, device=a.device)
    a, b = a.contiguous(), b.contiguous()
    negatives = _NegativesLog2SumExp2.apply(a, b, scale, group_numbers(groups, a), processes())
    positives = (a.float() * b.float()).sum(1) * scale
    return softplus((negatives - positives) / _LOG2_E).sum() / (2 * max(len(a), 1))


class _NegativesLog2SumExp2(torch.autograd.Function):
    """log2 sum 2^logit of every row and every column of scale * a @ b.T without the pairs of one group."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor, groups: Tensor, processes: Processes
    ) -> Float[Tensor, "2 n"]:
        blocks = Blocks(len(a), processes)
        sums = torch.zeros(2, len(a), device=a.device)
        for side, (rows, columns) in enumerate(((a, b), (b, a))):
            if blocks.own:
                _sums_kernel[blocks.grid](
                    rows, columns, scale, groups, sums[side], blocks.first, blocks.stop, len(a), a.shape[1], **padded(a)
                )
        sums = processes.sum(sums)
        ctx.save_for_backward(a, b, scale, groups, sums)
        ctx.blocks = blocks
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_sums: Float[Tensor, "2 n"]) -> tuple[Tensor, Tensor, Tensor, None, None]:
        a, b, scale, groups, sums = ctx.saved_tensors
        blocks: Blocks = ctx.blocks
        of_sums = of_sums.contiguous() * blocks.size
        gradients = torch.zeros(2, *a.shape, device=a.device)
        for side, (rows, columns) in enumerate(((a, b), (b, a))):
            if blocks.own:
                _gradients_kernel[blocks.grid](
                    rows, columns, scale, groups, sums[side], sums[1 - side], of_sums[side], of_sums[1 - side],
                    gradients[side], blocks.first, blocks.stop, len(a), a.shape[1], **padded(a),
                )  # fmt: skip
        of_scale = (gradients[0] * a).sum()  # of this process's rows
        gradients *= scale
        return gradients[0].to(a.dtype), gradients[1].to(b.dtype), of_scale, None, None


@triton.autotune(CONFIGS, key=["d"])
@triton.jit
def _sums_kernel(
    a, b, scale, groups, sums, first, stop, n, d,
    BLOCK_D: tl.constexpr, PRODUCTS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Running log2-sum-exp2 of a block of rows."""
    rows = first + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    queries = load_rows(a, rows, stop, d, BLOCK_D).to(PRODUCTS)
    own = tl.load(groups + rows, rows < stop, -1)
    factor = tl.load(scale)
    highest = tl.full([BLOCK_M], -1e30, tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    for start in range(0, n, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        keys = load_rows(b, columns, n, d, BLOCK_D).to(PRODUCTS)
        negative = (own[:, None] != tl.load(groups + columns, columns < n, -1)[None, :]) & (columns < n)[None, :]
        logits = tl.where(negative, tl.dot(queries, tl.trans(keys)) * factor, float("-inf"))
        risen = tl.maximum(highest, tl.max(logits, 1))
        total = total * tl.exp2(highest - risen) + tl.sum(tl.exp2(logits - risen[:, None]), 1)
        highest = risen
    tl.store(sums + rows, tl.where(total > 0, highest + tl.log2(total), float("-inf")), rows < stop)


@triton.autotune(CONFIGS, key=["d"])
@triton.jit
def _gradients_kernel(
    a, b, scale, groups, row_sums, column_sums, of_rows, of_columns, gradients, first, stop, n, d,
    BLOCK_D: tl.constexpr, PRODUCTS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Gradient of a block of rows: the other side's rows, weighted with both directions' probabilities."""
    rows = first + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    queries = load_rows(a, rows, stop, d, BLOCK_D).to(PRODUCTS)
    own = tl.load(groups + rows, rows < stop, -1)
    factor = tl.load(scale)
    row_sum = tl.load(row_sums + rows, rows < stop, 0.0)[:, None]
    of_row = tl.load(of_rows + rows, rows < stop, 0.0)[:, None]
    gradient = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in range(0, n, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        keys = load_rows(b, columns, n, d, BLOCK_D).to(PRODUCTS)
        column_sum = tl.load(column_sums + columns, columns < n, 0.0)[None, :]
        of_column = tl.load(of_columns + columns, columns < n, 0.0)[None, :]
        negative = (own[:, None] != tl.load(groups + columns, columns < n, -1)[None, :]) & (columns < n)[None, :]
        logits = tl.dot(queries, tl.trans(keys)) * factor
        weights = tl.exp2(logits - row_sum) * of_row + tl.exp2(logits - column_sum) * of_column
        gradient += tl.dot(tl.where(negative, weights, 0.0).to(PRODUCTS), keys)
    width = tl.arange(0, BLOCK_D)
    cells = rows.to(tl.int64)[:, None] * d + width[None, :]
    tl.store(gradients + cells, gradient, (rows < stop)[:, None] & (width < d)[None, :])
