"""Single tensors of .safetensors files: what is read of a mapping counts as memory for as long as it is mapped."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Shaped
from safetensors import safe_open
from torch import Tensor

from closegap.sharding import like


def mapped_tensor(path: Path, name: str) -> Shaped[Tensor, "..."]:
    """A tensor of a .safetensors file, in a mapping of its own that goes with it.

    Raises:
        SafetensorError: no such tensor, or a damaged file.
        OSError: no such file.
    """
    with safe_open(path, framework="pt") as opened:
        found: Tensor = opened.get_tensor(name)
        return found


@torch.no_grad()
def copy_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write what a .safetensors file holds into the tensors of these names; one at a time is held twice.

    Args:
        path: the file.
        tensors: of the shapes that the file has; each may be in parts, and then every process calls this.

    Raises:
        SafetensorError: no such tensor, or a damaged file.
        OSError: no such file.
    """
    for name, tensor in tensors.items():
        tensor.copy_(like(mapped_tensor(path, name), tensor))
