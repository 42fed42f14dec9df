"""Tiles of bfloat16 rows on a GPU, by kernels that take powers and sums of a product before it leaves the chip."""

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from closegap.losses.kernels import INTERPRETED
from closegap.losses.kernels.programs import BLOCK, potentials_program, sums_program, weights_program
from closegap.losses.tiles import Sums
from closegap.losses.tiling import Tile
from closegap.types import Groups


class KernelTiles:
    """What `TorchTiles` computes, with bfloat16 products, the rest in float32, and weights in the rows' type."""

    @staticmethod
    def largest(rows: Float[Tensor, "n d"]) -> int:
        """See `TileForm.largest`."""
        return 8192  # 128 MiB of weights, and rows that stay in the cache of a large GPU

    def __init__(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None, side: int) -> None:
        self._rows, self._width = (a, b, groups), a.shape[1]
        half = not INTERPRETED  # the interpreter multiplies no bfloat16, and cuts float32 to it instead of rounding
        self._constants = {"GROUPED": groups is not None, "PRODUCTS": tl.bfloat16 if half else tl.float32}
        self._weights = a.new_empty(side * side, dtype=torch.bfloat16 if half else torch.float32)

    def sums(self, tile: Tile, scale: float) -> tuple[Sums, Sums]:
        """See `TileForm.sums`."""
        of_rows, of_columns = ([self._partial(tile, along) for _ in range(2)] for along in (0, 1))
        self._run(sums_program, tile, *of_rows, *of_columns, scale)
        return _merged(*of_rows), _merged(*of_columns)

    def weights(
        self, tile: Tile, scale: float, sums: Float[Tensor, "2 n"], of_sums: Float[Tensor, "2 n"]
    ) -> Float[Tensor, "r c"]:
        """See `TileForm.weights`."""
        weights = self._buffer(tile)
        self._run(weights_program, tile, *sums, *of_sums, weights, scale)
        return weights

    def potentials(
        self, tile: Tile, exponents: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "r c"], Float[Tensor, "r"], Float[Tensor, "c"]]:
        """See `TileForm.potentials`."""
        potentials, of_rows, of_columns = self._buffer(tile), self._partial(tile, 0), self._partial(tile, 1)
        self._run(potentials_program, tile, exponents, of_rows, of_columns, potentials)
        return potentials, of_rows.sum(0), of_columns.sum(0)

    def add_product(
        self, total: Float[Tensor, "r d"], weights: Float[Tensor, "r c"], rows: Float[Tensor, "c d"]
    ) -> None:
        """See `TileForm.add_product`."""
        total += product(weights, rows)

    def _run(self, program: Any, tile: Tile, *arguments: Any) -> None:
        rows, columns = tile
        grid = tuple(triton.cdiv(_length(lines), BLOCK) for lines in tile)
        bounds = rows.start, rows.stop, columns.start, columns.stop
        with torch.cuda.device_of(self._weights):  # Triton runs programs on the current device
            program[grid](*self._rows, *arguments, *bounds, self._width, **self._constants)

    def _buffer(self, tile: Tile) -> Float[Tensor, "r c"]:
        rows, columns = map(_length, tile)
        return self._weights[: rows * columns].view(rows, columns)

    def _partial(self, tile: Tile, along: int) -> Float[Tensor, "blocks length"]:
        """A number for every row (or column) and every block of the others."""
        return self._weights.new_empty(
            triton.cdiv(_length(tile[1 - along]), BLOCK), _length(tile[along]), dtype=torch.float32
        )


def product(weights: Float[Tensor, "r c"], rows: Float[Tensor, "c d"]) -> Float[Tensor, "r d"]:
    """Weights @ rows of bfloat16, in float32."""
    return torch.mm(weights, rows, out_dtype=torch.float32)


def _merged(peaks: Float[Tensor, "blocks length"], totals: Float[Tensor, "blocks length"]) -> Sums:
    highest = peaks.amax(0)
    return highest, (totals * (peaks - highest).exp2_()).sum(0)


def _length(lines: slice) -> int:
    return int(lines.stop - lines.start)
