"""What is wrong with a result, told by other means than closegap's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file


def same_gap(first: Path, second: Path) -> str:
    """What is wrong with the gap that an audit of two .npy files reports, by NumPy's reckoning."""
    try:
        arrays = [np.load(path, allow_pickle=False).astype("f8") for path in (first, second)]
    except Exception as error:
        return f"was audited, though NumPy cannot read it: {error}"
    largest = [np.abs(array).max(1, keepdims=True) for array in arrays]  # squares of the tiniest would be 0
    scaled = [array / most for array, most in zip(arrays, largest, strict=True)]
    means = [(array / np.linalg.norm(array, axis=1, keepdims=True)).mean(0) for array in scaled]
    expected = float(np.linalg.norm(means[0] - means[1]))
    found = json.loads(Path("out/report.json").read_text(encoding="utf-8"))["arms"][0]["metrics"]["gap"]["value"]
    return "" if abs(found - expected) < 1e-3 else f"the gap is {found}; NumPy says {expected}"


def same_tensors(found: Path, expected: Path) -> str:
    """What tells a .safetensors file's tensors from another's."""
    mine, theirs = load_file(found), load_file(expected)
    if mine.keys() != theirs.keys():
        return f"{found.name} holds {sorted(mine)}, expected {sorted(theirs)}"
    for name, tensor in theirs.items():
        if mine[name].dtype != tensor.dtype or not torch.equal(mine[name], tensor):
            finite = "" if not mine[name].is_floating_point() or mine[name].isfinite().all() else ", not finite"
            return f"{found.name} holds another {name}{finite}"
    return ""


def not_finite(folder: Path) -> str:
    """Where a result holds what is not a number: in JSON or in tensors."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    for file in sorted(folder.rglob("*")):
        if file.suffix == ".json" and file.is_file():
            try:
                json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
            except ValueError as error:
                return f"{file.relative_to(folder)} holds {error}"
        if file.suffix == ".safetensors" and file.is_file():
            tensors = load_file(file)
            for name, tensor in tensors.items():
                present = tensors.get(name.replace("embeddings/", "present/")) if "embeddings/" in name else None
                values = tensor if present is None else tensor[present]
                if values.is_floating_point() and not values.isfinite().all():
                    return f"{file.relative_to(folder)}: {name} is not finite"
    return ""
