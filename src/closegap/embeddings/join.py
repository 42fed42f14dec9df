"""One embedding set from many parts, one tensor of one part in memory at a time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from closegap.embeddings.set_file import KEY, whole_set
from closegap.files import whole_file
from closegap.mapped import mapped_tensor
from closegap.sealed import seal, unsealed

_TYPES = {torch.float32: "F32", torch.bool: "BOOL"}


def joined(
    parts: Sequence[Path], modalities: Sequence[str], out: Path, columns: Mapping[str, Any], meta: Mapping[str, Any]
) -> None:
    """Write `out`, and its table beside it, from the rows of all parts in order.

    Args:
        parts: .safetensors files of `embeddings/NAME` and `present/NAME`.
        modalities: the names to keep.
        out: the .safetensors file.
        columns: ids, groups, labels and concepts of all rows, as `EmbeddingSet` takes them.
        meta: its meta.
    """
    names = [f"{kind}/{name}" for kind in ("embeddings", "present") for name in modalities]
    rows = len(columns["ids"])
    with whole_set(out, modalities, columns, meta) as says:
        header: dict[str, Any] = {"__metadata__": unsealed(KEY, says)}
        offset = 0
        for name in names:
            first = mapped_tensor(parts[0], name)
            shape = [rows, *first.shape[1:]]
            size = first.element_size() * torch.Size(shape).numel()
            header[name] = {"dtype": _TYPES[first.dtype], "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        head = json.dumps(header, separators=(",", ":")).encode()
        head += b" " * (-len(head) % 8)  # tensors that are mapped want to be aligned
        with whole_file(out) as temporary:
            with temporary.open("wb") as file:
                file.write(len(head).to_bytes(8, "little") + head)
                for name in names:
                    for part in parts:
                        file.write(mapped_tensor(part, name).numpy().data)
                assert file.tell() == 8 + len(head) + offset
            seal(temporary)
