"""Triton kernels: tiles of bfloat16 rows on a GPU, of which no logit is ever in memory."""

import os
from importlib.util import find_spec

from torch import Tensor, bfloat16, cuda, version

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether kernels run in Triton's interpreter, on the processor: for tests."""


def kernels_apply(rows: Tensor) -> bool:
    """Whether the kernels compute the tiles of rows: of bfloat16, on an NVIDIA GPU that multiplies it, with Triton."""
    if rows.dtype != bfloat16 or find_spec("triton") is None:
        return False
    return INTERPRETED or (rows.is_cuda and version.hip is None and cuda.get_device_capability(rows.device) >= (8, 0))
