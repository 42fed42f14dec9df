"""Files of tensors taken apart and written again, by a stranger who forgets the digest or one who puts it right."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


def parts(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a .safetensors file."""
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata() or {})
    return {name: tensor.clone() for name, tensor in load_file(file).items()}, metadata


def rewrite(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], sealed: bool) -> None:
    """Write a .safetensors file.

    Args:
        file: is replaced.
        tensors: that it holds.
        metadata: that it has.
        sealed: give it the digest of what it holds now.
    """
    found = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(found, file, metadata=dict(metadata) or None)
    order(file, sealed)


def order(file: Path, sealed: bool = True) -> None:
    """Put the header into one order, so that equal contents are equal bytes: the library writes another each time."""
    content = file.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    file.write_bytes(len(header).to_bytes(8, "little") + header + content[size:])
    if sealed:
        with suppress(ImportError, ValueError):  # ValueError: it has none
            from closegap.sealed import seal

            seal(file)
