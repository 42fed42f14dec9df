"""InfoNCE and uniformity without their n x n matrix: exact, tile by tile, in O(n d) memory.

The matrices are computed a tile at a time. InfoNCE keeps running log-sum-exps of rows and columns and computes the
tiles again in its backward pass. Uniformity is one sum, so value and gradient come from one pass, and symmetry halves
it. Powers are taken to base 2, which vector units do several times faster than to base e.
"""

from collections.abc import Iterator
from math import log
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from closegap.losses.precision import full_precision
from closegap.losses.rows import negative_pairs
from closegap.types import Groups

TILED_ABOVE = 1024
"""Rows from which the losses take the tiled forms."""

_LOG2_E = 1 / log(2)
_LOWEST = -1e30  # below every logit, and finite, so that differences of two maxima are never NaN


@full_precision
def tiled_info_nce(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    present: Bool[Tensor, "n"] | None = None,
    groups: Groups | None = None,
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """What `info_nce` returns, in O(n d) memory; differentiable once.

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        present: rows that have both modalities.
        groups: rows of one group are not each other's negatives.
        tile: rows and columns of a tile; what suits the device by default.
    """
    if present is not None:
        a, b = a[present], b[present]
        groups = None if groups is None else groups[present]
    queries = a / temperature
    positives = (queries * b).sum(1)
    rows, columns = _NegativesLogSumExp.apply(queries, b, groups, tile or _tile(a.device))
    return (softplus(rows - positives) + softplus(columns - positives)).sum() / (2 * max(len(a), 1))


@full_precision
def tiled_uniformity(
    x: Float[Tensor, "n d"],
    present: Bool[Tensor, "n"] | None = None,
    groups: Groups | None = None,
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """What `uniformity` returns for rows of length at most 1, in O(n d) memory; differentiable once.

    Such rows, unit vectors and their centroids, are at most 2 apart: no potential is below exp(-8), and the sum needs
    no running maximum.

    Args:
        x: rows of length at most 1.
        present: rows that count.
        groups: pairs of rows of one group are left out.
        tile: rows and columns of a tile; what suits the device by default.
    """
    if present is not None:
        x = x[present]
        groups = None if groups is None else groups[present]
    pairs = negative_pairs(groups, len(x))
    if pairs == 0:
        return x[:0].sum()
    value: Tensor = _LogPotential.apply(x, groups, tile or _tile(x.device))
    return value - log(pairs)


class _NegativesLogSumExp(torch.autograd.Function):
    """Log-sum-exp of every row and every column of a @ b.T without the pairs of one group."""

    @staticmethod
    def forward(
        ctx: Any, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None, tile: int
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        highest = a.new_full((2, len(a)), _LOWEST)
        total = a.new_zeros(2, len(a))
        for rows in _slices(len(a), tile):
            scaled = a[rows] * _LOG2_E
            for columns in _slices(len(a), tile):
                logits = scaled @ b[columns].T
                _exclude(logits, rows, columns, groups, -torch.inf)
                _accumulate(highest[0, rows], total[0, rows], logits, 1)
                _accumulate(highest[1, columns], total[1, columns], logits, 0)
        sums = (highest + total.log2()) / _LOG2_E
        ctx.save_for_backward(a, b, groups, sums)
        ctx.tile = tile
        return sums[0], sums[1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_rows: Float[Tensor, "n"], of_columns: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"], None, None]:
        a, b, groups, sums = ctx.saved_tensors
        sums = sums * _LOG2_E
        gradient_a, gradient_b = torch.zeros_like(a), torch.zeros_like(b)
        with torch.autocast(a.device.type, enabled=False):  # also for a caller whose autocast spans its backward pass
            for rows in _slices(len(a), ctx.tile):
                scaled = a[rows] * _LOG2_E
                for columns in _slices(len(a), ctx.tile):
                    logits = scaled @ b[columns].T
                    weights = (logits - sums[0, rows, None]).exp2_().mul_(of_rows[rows, None])
                    weights += logits.sub_(sums[1, columns]).exp2_().mul_(of_columns[columns])
                    _exclude(weights, rows, columns, groups, 0.0)
                    gradient_a[rows].addmm_(weights, b[columns])
                    gradient_b[columns].addmm_(weights.T, a[rows])
        return gradient_a, gradient_b, None, None


class _LogPotential(torch.autograd.Function):
    """Log of the sum of exp(-2 ||x_i - x_j||^2) over ordered pairs of different groups."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "n d"], groups: Groups | None, tile: int) -> Float[Tensor, ""]:
        halves = x.square().sum(1) * (2 * _LOG2_E)
        total = x.new_zeros(len(x))
        weighted = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        for rows in _slices(len(x), tile):
            scaled = x[rows] * (4 * _LOG2_E)
            for columns in _slices(len(x), tile, rows.start):
                potentials = (scaled @ x[columns].T).sub_(halves[rows, None]).sub_(halves[columns]).exp2_()
                _exclude(potentials, rows, columns, groups, 0.0)
                total[rows] += potentials.sum(1)
                if weighted is not None:
                    weighted[rows].addmm_(potentials, x[columns])
                if columns != rows:
                    total[columns] += potentials.sum(0)
                    if weighted is not None:
                        weighted[columns].addmm_(potentials.T, x[rows])
        if weighted is not None:
            ctx.save_for_backward(weighted.sub_(x * total[:, None]).mul_(8 / total.sum()))
        return total.sum().log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Float[Tensor, "n d"], None, None]:
        return ctx.saved_tensors[0] * gradient, None, None


def _tile(device: torch.device) -> int:
    """4 MiB of float32 stay in a processor's cache; an accelerator wants fewer, larger tiles."""
    return 1024 if device.type == "cpu" else 4096


def _slices(n: int, tile: int, start: int = 0) -> Iterator[slice]:
    for first in range(start, n, tile):
        yield slice(first, min(first + tile, n))


def _exclude(tile: Tensor, rows: slice, columns: slice, groups: Groups | None, value: float) -> None:
    """Fill the pairs that are not negatives: a row with itself and with the others of its group."""
    if groups is not None:
        tile.masked_fill_(groups[rows, None] == groups[None, columns], value)
    elif rows == columns:
        tile.fill_diagonal_(value)


def _accumulate(highest: Tensor, total: Tensor, logits: Tensor, dim: int) -> None:
    """Take a tile into running sums of 2^(logit - highest) along `dim`."""
    risen = torch.maximum(highest, logits.amax(dim))
    total.mul_(torch.exp2(highest - risen)).add_((logits - risen.unsqueeze(dim)).exp2_().sum(dim))
    highest.copy_(risen)
