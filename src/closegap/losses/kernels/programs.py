"""The kernels: a product of rows, block by block, and what is made of each block before it leaves the chip.

Every program owns one block of BLOCK_M x BLOCK_N pairs. Sums over a block are written, not added to others', so that
results do not depend on the order in which programs run.
"""

from math import log

import triton
import triton.language as tl

from closegap.losses.kernels import INTERPRETED

BLOCK = 32 if INTERPRETED else 128
"""Rows and columns of a program's block."""

_LOG2_E = tl.constexpr(1 / log(2))
_LOWEST = tl.constexpr(-1e30)  # below every exponent, and finite, so that differences of two maxima are never NaN

# (depth of a step along the width, warps, steps in flight), down to what fits the 99 KiB of smaller GPUs
SHAPES = [(16, 4, 1)] if INTERPRETED else [(64, 8, 4), (64, 8, 3), (64, 8, 2), (32, 8, 4), (32, 8, 3)]
_CONFIGS = [
    triton.Config({"BLOCK_M": BLOCK, "BLOCK_N": BLOCK, "BLOCK_K": depth}, num_warps=warps, num_stages=stages)
    for depth, warps, stages in SHAPES
]


@triton.jit
def _block(
    a, b, groups, first_row, stop_row, first_column, stop_column, d,
    GROUPED: tl.constexpr, PRODUCTS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Rows and columns of the program's block, a_i . b_j in float32, and which pairs are inside and negatives.

    Pairs of one group are none; without groups, a row and itself.
    """
    rows = first_row + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = first_column + tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    products = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    of_a, of_b = a + rows.to(tl.int64)[:, None] * d, b + columns.to(tl.int64)[None, :] * d
    for first in range(0, d, BLOCK_K):
        width = first + tl.arange(0, BLOCK_K)
        left = tl.load(of_a + width[None, :], (rows < stop_row)[:, None] & (width < d)[None, :], 0.0)
        right = tl.load(of_b + width[:, None], (columns < stop_column)[None, :] & (width < d)[:, None], 0.0)
        products = tl.dot(left.to(PRODUCTS), right.to(PRODUCTS), products)
    inside = (rows < stop_row)[:, None] & (columns < stop_column)[None, :]
    if GROUPED:
        own = tl.load(groups + rows, rows < stop_row, 0)
        others = tl.load(groups + columns, columns < stop_column, 0)
        negative = inside & (own[:, None] != others[None, :])
    else:
        negative = inside & (rows[:, None] != columns[None, :])
    return rows, columns, products, negative


@triton.autotune(_CONFIGS, key=["d"])
@triton.jit
def sums_program(
    a, b, groups, row_peaks, row_totals, column_peaks, column_totals,
    scale, first_row, stop_row, first_column, stop_column, d,
    GROUPED: tl.constexpr, PRODUCTS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Largest exponent, and sum of powers relative to it, of the block's rows and of its columns."""
    row_block, column_block = tl.program_id(0), tl.program_id(1)
    rows, columns, products, negative = _block(
        a, b, groups, first_row, stop_row, first_column, stop_column, d, GROUPED, PRODUCTS, BLOCK_M, BLOCK_N, BLOCK_K
    )
    exponents = tl.where(negative, products * scale, float("-inf"))
    peaks = tl.maximum(tl.max(exponents, 1), _LOWEST)
    cells = _cells(column_block, rows, first_row, stop_row)
    tl.store(row_peaks + cells, peaks, rows < stop_row)
    tl.store(row_totals + cells, tl.sum(tl.exp2(exponents - peaks[:, None]), 1), rows < stop_row)
    peaks = tl.maximum(tl.max(exponents, 0), _LOWEST)
    cells = _cells(row_block, columns, first_column, stop_column)
    tl.store(column_peaks + cells, peaks, columns < stop_column)
    tl.store(column_totals + cells, tl.sum(tl.exp2(exponents - peaks[None, :]), 0), columns < stop_column)


@triton.autotune(_CONFIGS, key=["d"])
@triton.jit
def weights_program(
    a, b, groups, row_sums, column_sums, of_rows, of_columns, weights,
    scale, first_row, stop_row, first_column, stop_column, d,
    GROUPED: tl.constexpr, PRODUCTS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Derivative by every exponent: the probabilities along rows and columns times those of their log-sums."""
    rows, columns, products, negative = _block(
        a, b, groups, first_row, stop_row, first_column, stop_column, d, GROUPED, PRODUCTS, BLOCK_M, BLOCK_N, BLOCK_K
    )
    row_sum = tl.load(row_sums + rows, rows < stop_row, 0.0)
    of_row = tl.load(of_rows + rows, rows < stop_row, 0.0)
    column_sum = tl.load(column_sums + columns, columns < stop_column, 0.0)
    of_column = tl.load(of_columns + columns, columns < stop_column, 0.0)
    exponents = products * scale
    along_rows = tl.exp2(exponents - row_sum[:, None]) * of_row[:, None]
    along_columns = tl.exp2(exponents - column_sum[None, :]) * of_column[None, :]
    _store(
        weights, tl.where(negative, along_rows + along_columns, 0.0),
        rows, columns, first_row, stop_row, first_column, stop_column,
    )  # fmt: skip


@triton.autotune(_CONFIGS, key=["d"])
@triton.jit
def potentials_program(
    a, b, groups, lengths, row_totals, column_totals, potentials,
    first_row, stop_row, first_column, stop_column, d,
    GROUPED: tl.constexpr, PRODUCTS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """exp(-2 ||a_i - b_j||^2), and its sums over the block's rows and columns; lengths are -2 ||a_i||^2 log2(e)."""
    row_block, column_block = tl.program_id(0), tl.program_id(1)
    rows, columns, products, negative = _block(
        a, b, groups, first_row, stop_row, first_column, stop_column, d, GROUPED, PRODUCTS, BLOCK_M, BLOCK_N, BLOCK_K
    )
    own = tl.load(lengths + rows, rows < stop_row, 0.0)
    others = tl.load(lengths + columns, columns < stop_column, 0.0)
    exponents = products * (4 * _LOG2_E) + own[:, None] + others[None, :]
    block = tl.where(negative, tl.exp2(exponents), 0.0)
    cells = _cells(column_block, rows, first_row, stop_row)
    tl.store(row_totals + cells, tl.sum(block, 1), rows < stop_row)
    cells = _cells(row_block, columns, first_column, stop_column)
    tl.store(column_totals + cells, tl.sum(block, 0), columns < stop_column)
    _store(potentials, block, rows, columns, first_row, stop_row, first_column, stop_column)


@triton.jit
def _cells(block, lines, first, stop):
    """Where a block of the other side leaves a number for each of these lines."""
    return block.to(tl.int64) * (stop - first) + lines - first


@triton.jit
def _store(tile, block, rows, columns, first_row, stop_row, first_column, stop_column):
    """Write a block to its place in the tile."""
    cells = (rows - first_row).to(tl.int64)[:, None] * (stop_column - first_column) + (columns - first_column)[None, :]
    tl.store(tile + cells, block, (rows < stop_row)[:, None] & (columns < stop_column)[None, :])
