"""Uniformity of bfloat16 rows on a GPU: value and gradient from one pass of 4 n^2 d operations."""

from math import log
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from closegap.losses.kernels.blocks import CONFIGS, Blocks, group_numbers, load_rows, padded
from closegap.losses.processes import Processes, processes
from closegap.losses.rows import negative_pairs
from closegap.types import Groups

_LOG2_E = tl.constexpr(1 / log(2))


def kernel_uniformity(x: Float[Tensor, "n d"], groups: Groups | None = None) -> Float[Tensor, ""]:
    """What `uniformity` returns for rows of length at most 1, with everything but products of rows in float32.

    Args:
        x: rows of length at most 1.
        groups: pairs of rows of one group are left out.
    """
    pairs = negative_pairs(groups, len(x))
    if pairs == 0:
        return x[:0].float().sum()
    value: Tensor = _LogPotential.apply(x.contiguous(), group_numbers(groups, x), processes())
    return value - log(pairs)


class _LogPotential(torch.autograd.Function):
    """Log of the sum of exp(-2 ||x_i - x_j||^2) over ordered pairs of different groups."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: Tensor, processes: Processes) -> Float[Tensor, ""]:
        blocks = Blocks(len(x), processes)
        lengths = x.float().square().sum(1)
        total = torch.zeros(len(x), device=x.device)
        weighted = torch.zeros(x.shape, device=x.device)
        if blocks.own:
            _potentials_kernel[blocks.grid](
                x, groups, lengths, total, weighted, blocks.first, blocks.stop, len(x), x.shape[1], **padded(x)
            )
        everything = processes.sum(total.sum())
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(weighted.sub_(x * total[:, None]).mul_(8 * processes.size / everything))
        ctx.dtype = x.dtype
        return everything.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor, None, None]:
        return (ctx.saved_tensors[0] * gradient).to(ctx.dtype), None, None


@triton.autotune(CONFIGS, key=["d"])
@triton.jit
def _potentials_kernel(
    x, groups, lengths, totals, weighted, first, stop, n, d,
    BLOCK_D: tl.constexpr, PRODUCTS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Sum of a block of rows' potentials, and the other rows weighted with them."""
    rows = first + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    queries = load_rows(x, rows, stop, d, BLOCK_D).to(PRODUCTS)
    own = tl.load(groups + rows, rows < stop, -1)
    length = tl.load(lengths + rows, rows < stop, 0.0)[:, None]
    total = tl.zeros([BLOCK_M], tl.float32)
    gradient = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in range(0, n, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        keys = load_rows(x, columns, n, d, BLOCK_D).to(PRODUCTS)
        others = tl.load(lengths + columns, columns < n, 0.0)[None, :]
        negative = (own[:, None] != tl.load(groups + columns, columns < n, -1)[None, :]) & (columns < n)[None, :]
        exponents = (4 * tl.dot(queries, tl.trans(keys)) - 2 * (length + others)) * _LOG2_E
        potentials = tl.where(negative, tl.exp2(exponents), 0.0)
        total += tl.sum(potentials, 1)
        gradient += tl.dot(potentials.to(PRODUCTS), keys)
    width = tl.arange(0, BLOCK_D)
    cells = rows.to(tl.int64)[:, None] * d + width[None, :]
    tl.store(totals + rows, total, rows < stop)
    tl.store(weighted + cells, gradient, (rows < stop)[:, None] & (width < d)[None, :])
