"""Triton kernels of InfoNCE and uniformity: bfloat16 rows, float32 accumulation, O(n d) memory, on a GPU."""

from importlib.util import find_spec

from torch import Tensor, bfloat16

WIDEST = 512  # a program keeps a block of rows and its gradient, in float32, at hand


def kernels_apply(rows: Tensor) -> bool:
    """Whether the kernels compute a loss of these rows: bfloat16 on a GPU, not too wide, and Triton is installed."""
    return bool(rows.is_cuda and rows.dtype == bfloat16 and rows.shape[1] <= WIDEST and find_spec("triton"))
