"""What the kernels share: their blocks, and which of them are this process's."""

import os
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from closegap.losses.processes import Processes
from closegap.types import Groups

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether kernels run in Triton's interpreter, on the processor: for tests."""

_SIZES = [(32, 32, 4)] if INTERPRETED else [(64, 64, 4), (64, 64, 8), (128, 64, 8)]
CONFIGS = [triton.Config({"BLOCK_M": m, "BLOCK_N": n}, num_warps=warps, num_stages=2) for m, n, warps in _SIZES]


class Blocks:
    """The rows that this process computes, and the grid of programs that do it."""

    def __init__(self, n: int, processes: Processes) -> None:
        self.size = processes.size
        self.first = n * processes.rank // processes.size
        self.stop = n * (processes.rank + 1) // processes.size

    @property
    def own(self) -> bool:
        """Whether there is a row to compute."""
        return self.stop > self.first

    def grid(self, config: dict[str, Any]) -> tuple[int]:
        """Number of programs."""
        return (triton.cdiv(self.stop - self.first, config["BLOCK_M"]),)


def padded(rows: Tensor) -> dict[str, Any]:
    """A width that is a power of two, and the type that products are taken in; the interpreter has no bfloat16."""
    products = tl.bfloat16 if rows.dtype == torch.bfloat16 and not INTERPRETED else tl.float32
    return {"BLOCK_D": max(16, triton.next_power_of_2(rows.shape[1])), "PRODUCTS": products}


def group_numbers(groups: Groups | None, rows: Tensor) -> Tensor:
    """A number per row, from 0; rows without groups are a group each."""
    if groups is None:
        return torch.arange(len(rows), device=rows.device, dtype=torch.int32)
    numbers: Tensor = torch.unique(groups, return_inverse=True)[1]
    return numbers.to(rows.device, torch.int32)


@triton.jit
def load_rows(table, rows, stop, d, BLOCK_D: tl.constexpr):
    """A block of rows; zeros from `stop` on and right of the width."""
    width = tl.arange(0, BLOCK_D)
    cells = rows.to(tl.int64)[:, None] * d + width[None, :]
    return tl.load(table + cells, (rows < stop)[:, None] & (width < d)[None, :], 0.0)
