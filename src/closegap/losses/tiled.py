"""InfoNCE and uniformity without their n x n matrix: exact, tile by tile, in O(n d) memory.

The matrices are computed a tile at a time. InfoNCE keeps running log-sum-exps of rows and columns and computes the
tiles again in its backward pass, 8 n^2 d operations in all. Uniformity is one sum, so value and gradient come from one
pass, and symmetry halves it: 3 n^2 d. Powers are taken to base 2, which vector units do several times faster than to
base e, and in buffers that are kept: a fresh tile costs more in page faults than in arithmetic.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement, islice, product
from math import log
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from closegap.losses.precision import full_precision
from closegap.losses.processes import Processes, processes
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
    scale = torch.as_tensor(_LOG2_E / temperature, dtype=a.dtype, device=a.device)
    margins: Tensor = _Margins.apply(a, b, scale, groups, processes(), tile)
    return softplus(margins / _LOG2_E).sum() / (2 * max(len(a), 1))


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
    value: Tensor = _LogPotential.apply(x, groups, processes(), tile)
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
        processes: Processes,
        tile: int | None,
    ) -> Float[Tensor, "2 n"]:
        tiles = _Tiles(a, processes, tile)
        alpha = scale.item()
        highest = a.new_full((2, len(a)), _LOWEST)
        total = a.new_zeros(2, len(a))
        for rows, columns in tiles.all():
            logits = tiles.buffer(0, rows, columns).addmm_(a[rows], b[columns].T, beta=0, alpha=alpha)
            powers = tiles.buffer(1, rows, columns)
            _exclude(logits, rows, columns, groups, -torch.inf)
            for side, lines, along in ((0, rows, 1), (1, columns, 0)):
                risen = torch.maximum(highest[side, lines], logits.amax(along))
                torch.sub(logits, risen.unsqueeze(along), out=powers).exp2_()
                total[side, lines].mul_((highest[side, lines] - risen).exp2_()).add_(powers.sum(along))
                highest[side, lines] = risen
        over_all = processes.max(highest)
        sums = over_all + processes.sum(total * (highest - over_all).exp2_()).log2()
        ctx.save_for_backward(a, b, scale, groups, sums)
        ctx.tiles = tiles
        return sums - scale * _true_pairs(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "2 n"]) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        a, b, scale, groups, sums = ctx.saved_tensors
        tiles: _Tiles = ctx.tiles
        alpha = scale.item()
        of_positives = -gradient.sum(0)  # every process has all of these, and its part of the tiles
        of_sums = gradient * tiles.processes.size
        gradient_a, gradient_b = b * of_positives[:, None], a * of_positives[:, None]
        with torch.autocast(a.device.type, enabled=False):  # also for a caller whose autocast spans its backward pass
            for rows, columns in tiles.all():
                logits = tiles.buffer(0, rows, columns).addmm_(a[rows], b[columns].T, beta=0, alpha=alpha)
                weights = torch.sub(logits, sums[0, rows, None], out=tiles.buffer(1, rows, columns))
                weights.exp2_().mul_(of_sums[0, rows, None])
                weights += logits.sub_(sums[1, columns]).exp2_().mul_(of_sums[1, columns])
                _exclude(weights, rows, columns, groups, 0.0)
                gradient_a[rows].addmm_(weights, b[columns])
                gradient_b[columns].addmm_(weights.T, a[rows])
            of_scale = _true_pairs(a, gradient_a).sum()
        return gradient_a.mul_(scale), gradient_b.mul_(scale), of_scale, None, None, None


class _LogPotential(torch.autograd.Function):
    """Log of the sum of exp(-2 ||x_i - x_j||^2) over ordered pairs of different groups."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "n d"], groups: Groups | None, processes: Processes, tile: int | None
    ) -> Float[Tensor, ""]:
        tiles = _Tiles(x, processes, tile)
        lengths = torch.linalg.vector_norm(x, dim=1).square_().mul_(-2 * _LOG2_E)
        total = x.new_zeros(len(x))
        weighted = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        for rows, columns in tiles.upper():
            potentials = tiles.buffer(0, rows, columns)
            torch.addmm(lengths[columns], x[rows], x[columns].T, alpha=4 * _LOG2_E, out=potentials)
            potentials.add_(lengths[rows, None]).exp2_()
            _exclude(potentials, rows, columns, groups, 0.0)
            mirrored = [(rows, columns, potentials), (columns, rows, potentials.T)]
            for lines, others, weights in mirrored[: 1 if rows == columns else 2]:
                total[lines] += weights.sum(1)
                if weighted is not None:
                    weighted[lines].addmm_(weights, x[others])
        everything = processes.sum(total.sum())
        if weighted is not None:
            ctx.save_for_backward(weighted.addcmul_(x, total[:, None], value=-1).mul_(8 * processes.size / everything))
        return everything.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor, None, None, None]:
        return ctx.saved_tensors[0] * gradient, None, None, None


class _Tiles:
    """This process's tiles of an n x n matrix, and the memory that they are computed in, one at a time."""

    def __init__(self, rows: Float[Tensor, "n d"], processes: Processes, tile: int | None) -> None:
        largest = 1024 if rows.device.type == "cpu" else 4096  # a processor's cache holds the small ones
        side = tile or max(1, min(largest, -(-len(rows) // processes.size)))
        self.processes = processes
        self.slices = [slice(first, min(first + side, len(rows))) for first in range(0, len(rows), side)]
        self._buffers = rows.new_empty(2, min(side, len(rows)) ** 2)

    def all(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of tiles that cover the matrix."""
        return self._own(product(self.slices, self.slices))

    def upper(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of tiles that cover one half of a symmetric matrix, and its diagonal."""
        return self._own(combinations_with_replacement(self.slices, 2))

    def _own(self, tiles: Iterable[tuple[slice, slice]]) -> Iterator[tuple[slice, slice]]:
        return islice(tiles, self.processes.rank, None, self.processes.size)

    def buffer(self, number: int, rows: slice, columns: slice) -> Tensor:
        """Memory for a tile, one of two; what was in it is lost."""
        shape = rows.stop - rows.start, columns.stop - columns.start
        return self._buffers[number, : shape[0] * shape[1]].view(shape)


def _exclude(tile: Tensor, rows: slice, columns: slice, groups: Groups | None, value: float) -> None:
    """Fill the pairs that are not negatives: a row with itself and with the others of its group."""
    if groups is not None:
        tile.masked_fill_(groups[rows, None] == groups[None, columns], value)
    elif rows == columns:
        tile.fill_diagonal_(value)


def _true_pairs(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """a_i . b_i, without a third matrix."""
    return torch.bmm(a[:, None, :], b[:, :, None]).flatten()
