"""Files of tensors taken apart and written again, by a stranger who forgets the digest or one who puts it right."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

_OPEN = "0" * 32


def parts(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a .safetensors file."""
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata() or {})
    return {name: tensor.clone() for name, tensor in load_file(file).items()}, metadata


def says(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a sealed file says of itself."""
    found: dict[str, Any] = json.loads(next(iter(metadata.values())))
    return found


def rewrite(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], sealed: bool = False) -> None:
    """Write a .safetensors file.

    Args:
        file: is replaced.
        tensors: that it holds.
        metadata: key to a text, or to what the file says of itself.
        sealed: give it the digest of what it holds now.
    """
    told = {}
    for key, value in metadata.items():
        said = says({key: value}) if sealed and isinstance(value, str) else value
        whole = {**said, "digest": _OPEN} if sealed else said
        told[key] = whole if isinstance(whole, str) else json.dumps(whole, separators=(",", ":"))
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, file, metadata=told or None)
    if sealed:
        from closegap.sealed import seal

        seal(file)
