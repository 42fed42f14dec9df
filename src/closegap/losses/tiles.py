"""What the losses take of each tile of an n x n matrix of products.

Powers are taken to base 2, which vector units do several times faster than to base e.
"""

from math import log
from typing import Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.losses.kernels import kernels_apply
from closegap.losses.processes import Processes, processes
from closegap.losses.tiling import Tile, Tiling
from closegap.types import Groups

LOG2_E = 1 / log(2)

LOWEST = -1e30
"""Below every exponent, and finite, so that differences of two maxima are never NaN."""

Sums = tuple[Float[Tensor, "length"], Float[Tensor, "length"]]
"""The largest exponent of every line of a tile, and the sum of powers relative to it."""


class LogSums:
    """Running log2-sum-exp2 of every row and every column of an n x n matrix, given tile by tile."""

    def __init__(self, n: int, like: Tensor) -> None:
        self._highest = like.new_full((2, n), LOWEST)
        self._total = like.new_zeros(2, n)

    def add(self, tile: Tile, of_rows: Sums, of_columns: Sums) -> None:
        """Count a tile in."""
        for side, (lines, (peaks, sums)) in enumerate(zip(tile, (of_rows, of_columns), strict=True)):
            highest, total = self._highest[side, lines], self._total[side, lines]
            risen = torch.maximum(highest, peaks)
            total.mul_((highest - risen).exp2_()).add_(sums * (peaks - risen).exp2_())
            highest.copy_(risen)

    def over(self, processes: Processes) -> Float[Tensor, "2 n"]:
        """Of all processes' tiles."""
        highest = processes.max(self._highest)
        return highest + processes.sum(self._total * (self._highest - highest).exp2_()).log2()


class TileForm(Protocol):
    """How tiles of a product of rows are computed. What a method returns may be overwritten by the next call.

    Pairs of one group are left out; without groups, a row with itself.
    """

    @staticmethod
    def largest(rows: Float[Tensor, "n d"]) -> int:
        """Rows and columns of the largest tiles that are worth it."""

    def __init__(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None, side: int) -> None:
        """Allocate what tiles of up to `side` rows and columns need."""

    def sums(self, tile: Tile, scale: float) -> tuple[Sums, Sums]:
        """Peaks and sums of powers of the exponents scale * a @ b.T, of rows and of columns."""

    def weights(
        self, tile: Tile, scale: float, sums: Float[Tensor, "2 n"], of_sums: Float[Tensor, "2 n"]
    ) -> Float[Tensor, "r c"]:
        """Derivative of the log2-sum-exp2 of rows and columns, `sums`, by every exponent, given those by `sums`."""

    def potentials(
        self, tile: Tile, exponents: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "r c"], Float[Tensor, "r"], Float[Tensor, "c"]]:
        """exp(-2 ||a_i - a_j||^2), given -2 ||a_i||^2 log2(e), and its sums over rows and over columns."""

    def add_product(
        self, total: Float[Tensor, "r d"], weights: Float[Tensor, "r c"], rows: Float[Tensor, "c d"]
    ) -> None:
        """Add weights @ rows to the total."""


F = TypeVar("F", bound=TileForm)


class TorchTiles:
    """Tiles by PyTorch's own operations, in buffers that are kept: a fresh tile costs more than its arithmetic."""

    @staticmethod
    def largest(rows: Float[Tensor, "n d"]) -> int:
        """See `TileForm.largest`."""
        return 1024 if rows.device.type == "cpu" else 4096  # a processor's cache holds the small ones

    def __init__(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None, side: int) -> None:
        self._a, self._b, self._groups = a, b, groups
        self._buffers = a.new_empty(2, side * side)

    def sums(self, tile: Tile, scale: float) -> tuple[Sums, Sums]:
        """See `TileForm.sums`."""
        exponents = self._exclude(tile, self._exponents(tile, scale), -torch.inf)
        return self._sums(tile, exponents, 1), self._sums(tile, exponents, 0)

    def weights(
        self, tile: Tile, scale: float, sums: Float[Tensor, "2 n"], of_sums: Float[Tensor, "2 n"]
    ) -> Float[Tensor, "r c"]:
        """See `TileForm.weights`."""
        rows, columns = tile
        exponents = self._exponents(tile, scale)
        weights = torch.sub(exponents, sums[0, rows, None], out=self._buffer(1, tile))
        weights.exp2_().mul_(of_sums[0, rows, None])
        weights += exponents.sub_(sums[1, columns]).exp2_().mul_(of_sums[1, columns])
        return self._exclude(tile, weights, 0.0)

    def potentials(
        self, tile: Tile, exponents: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "r c"], Float[Tensor, "r"], Float[Tensor, "c"]]:
        """See `TileForm.potentials`."""
        potentials = self.logits(tile, 4 * LOG2_E, exponents, exponents)[0].exp2_()
        return potentials, potentials.sum(1), potentials.sum(0)

    def logits(
        self, tile: Tile, scale: float, of_rows: Float[Tensor, "n"], of_columns: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "r c"], Float[Tensor, "r c"]]:
        """Logits scale * a @ b.T + of_rows + of_columns, minus infinity where left out, and memory of that shape."""
        rows, columns = tile
        logits = self._buffer(0, tile)
        torch.addmm(of_columns[columns], self._a[rows], self._b[columns].T, alpha=scale, out=logits)
        return self._exclude(tile, logits.add_(of_rows[rows, None]), -torch.inf), self._buffer(1, tile)

    def add_product(
        self, total: Float[Tensor, "r d"], weights: Float[Tensor, "r c"], rows: Float[Tensor, "c d"]
    ) -> None:
        """See `TileForm.add_product`."""
        total.addmm_(weights, rows)

    def _exponents(self, tile: Tile, scale: float) -> Float[Tensor, "r c"]:
        rows, columns = tile
        return self._buffer(0, tile).addmm_(self._a[rows], self._b[columns].T, beta=0, alpha=scale)

    def _sums(self, tile: Tile, exponents: Float[Tensor, "r c"], along: int) -> Sums:
        peaks = exponents.amax(along).clamp_(min=LOWEST)
        return peaks, torch.sub(exponents, peaks.unsqueeze(along), out=self._buffer(1, tile)).exp2_().sum(along)

    def _exclude(self, tile: Tile, values: Float[Tensor, "r c"], by: float) -> Float[Tensor, "r c"]:
        rows, columns = tile
        if self._groups is not None:
            values.masked_fill_(self._groups[rows, None] == self._groups[None, columns], by)
        elif rows == columns:
            values.fill_diagonal_(by)
        return values

    def _buffer(self, number: int, tile: Tile) -> Float[Tensor, "r c"]:
        rows, columns = (lines.stop - lines.start for lines in tile)
        return self._buffers[number, : rows * columns].view(rows, columns)


def tiles_of(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None) -> tuple[Tiling, TileForm]:
    """This process's tiles of a @ b.T, in the form that suits the rows' type and device.

    Args:
        a: contiguous rows of one side.
        b: contiguous rows of the other.
        groups: whose pairs are left out.
    """
    return tiles_in(form_of(a), a, b, groups)


def tiles_in(
    form: type[F], a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None
) -> tuple[Tiling, F]:
    """This process's tiles of a @ b.T in one form; see `tiles_of`."""
    share = -(-len(a) // processes().size)
    tiling = Tiling(len(a), max(1, min(form.largest(a), share)))
    return tiling, form(a, b, groups, min(tiling.side, len(a)))


def form_of(rows: Float[Tensor, "n d"]) -> type[TileForm]:
    """Kernels where they apply, PyTorch's operations elsewhere."""
    if not kernels_apply(rows):
        return TorchTiles
    from closegap.losses.kernels.tiles import KernelTiles  # Triton is not everywhere

    return KernelTiles
