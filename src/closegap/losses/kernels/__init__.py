"""Triton kernels: tiles of bfloat16 rows on a GPU, of which no logit is ever in memory."""

import os
from importlib.util import find_spec

from torch import Tensor, bfloat16, cuda, device, version

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether kernels run in Triton's interpreter, on the processor: for tests."""


def kernels_available(where: device) -> bool:
    """Whether kernels run there: on an NVIDIA GPU that multiplies bfloat16, with Triton."""
    if find_spec("triton") is None:
        return False
    return INTERPRETED or (where.type == "cuda" and version.hip is None and cuda.get_device_capability(where) >= (8, 0))


def kernels_apply(rows: Tensor) -> bool:
    """Whether the kernels compute the tiles of rows: of bfloat16, where they are available."""
    return rows.dtype == bfloat16 and kernels_available(rows.device)
