"""One embedding set from many parts, one tensor of one part in memory at a time."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.files import whole_file

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
    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(part, framework="pt")) for part in parts]
        rows = len(columns["ids"])
        header: dict[str, Any] = {"__metadata__": EmbeddingSet.metadata(modalities, meta)}
        offset = 0
        for name in names:
            first = files[0].get_tensor(name)
            shape = [rows, *first.shape[1:]]
            size = first.element_size() * torch.Size(shape).numel()
            header[name] = {"dtype": _TYPES[first.dtype], "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        head = json.dumps(header).encode()
        head += b" " * (-len(head) % 8)  # tensors that are mapped want to be aligned
        EmbeddingSet({}, **columns).save_table(out)
        with whole_file(out) as temporary, temporary.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for name in names:
                for part in files:
                    file.write(part.get_tensor(name).numpy().data)
            assert file.tell() == 8 + len(head) + offset
