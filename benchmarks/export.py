"""A run's model in PyTorch and as graphs of ONNX: is the same found, how fast, how large.

    python benchmarks/export.py --run runs/roco --split test

Every item of the split is embedded by PyTorch and by onnxruntime from the same prepared batches, with as many threads.
`R@10` is the mean over both directions of each pair of modalities, `gap` the distance of their means; `milliseconds`
are of the processor, for an item in a batch of one and of 32, the median of several; `away` is the largest difference
of a number.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from measure import measured, options, write
from torch import Tensor
from torch.utils._pytree import tree_leaves

from closegap.data import load_cases
from closegap.export.onnx_folder import write_onnx
from closegap.metrics.gap import modality_gap
from closegap.models import Model
from closegap.runs.open import open_run

BATCHES = (1, 32)
Embed = Callable[[Any], np.ndarray]


def in_torch(model: Model, name: str) -> Embed:
    def embed(inputs: Any) -> np.ndarray:
        with torch.no_grad():
            return model.corrected(name, model.encode(name, inputs)).numpy()

    return embed


def in_onnx(path: Path) -> Embed:
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads, chosen.log_severity_level = torch.get_num_threads(), 3
    session = onnxruntime.InferenceSession(path, chosen, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def embed(inputs: Any) -> np.ndarray:
        leaves = (leaf.numpy() for leaf in tree_leaves(inputs))
        found: np.ndarray = session.run(None, dict(zip(names, leaves, strict=True)))[0]
        return found

    return embed


def recall_at_10(a: Tensor, b: Tensor) -> float:
    ranks = [(s > s.diagonal()[:, None]).sum(1) for s in (a @ b.T, b @ a.T)]
    return float(torch.cat(ranks).lt(10).double().mean())


def main() -> None:
    given = options(__doc__, run="runs/roco", split="test", root="", cases=0)
    opened = open_run(Path(given.run), [f"--data.root={given.root}"] if given.root else [])
    model = opened.run.model.eval()
    cases = load_cases(opened.run.data, opened.run.checks).splits[given.split]
    whole = [case for case in cases if all(case.views.get(name) for name in model.modalities)][: given.cases or None]
    items = {name: [case.views[name][0] for case in whole] for name in model.modalities}
    rows: list[dict[str, Any]] = []
    first: dict[str, Tensor] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for form in ("PyTorch", "fp32", "fp16", "int8"):
            folder = Path(temporary) / form
            if form != "PyTorch":
                write_onnx(model, folder, form)
            found, of_form = {}, []
            for name in model.modalities:
                embed = in_torch(model, name) if form == "PyTorch" else in_onnx(folder / f"{name}.onnx")
                found[name] = everything(embed, model, name, items[name])
                size = 4 * sum(p.numel() for part in (model.encoders, model.heads) for p in part[name].parameters())
                size = size if form == "PyTorch" else (folder / f"{name}.onnx").stat().st_size
                away = float((found[name] - first.get(name, found[name])).abs().max())
                of_form.append({"form": form, "what": name, "mib": size / 2**20, "away": away})
                of_form[-1] |= speed(embed, model, name, items[name])
            first = first or found
            rows += of_form + [{"form": form, **judged(found, a, b)} for a, b in combinations(found, 2)]
    columns = ["form", "what", "R@10", "gap", "away", "mib", *(f"milliseconds at {batch}" for batch in BATCHES)]
    write("export", rows, columns, given.out)


def everything(embed: Embed, model: Model, name: str, items: Sequence[Any]) -> Tensor:
    preparer = model.encoder(name).preparer()
    return torch.cat([torch.from_numpy(embed(preparer(items[at : at + 32]))) for at in range(0, len(items), 32)])


def speed(embed: Embed, model: Model, name: str, items: Sequence[Any]) -> Mapping[str, float]:
    preparer, found = model.encoder(name).preparer(), {}
    for batch in BATCHES:
        inputs = preparer(items[:batch])
        embed(inputs)
        found[f"milliseconds at {batch}"] = 1000 * measured(lambda: embed(inputs), 7)["cpu_seconds"] / batch  # noqa: B023
    return found


def judged(found: Mapping[str, Tensor], a: str, b: str) -> dict[str, Any]:
    gap = float(modality_gap(found[a], found[b]))
    return {"what": f"{a}, {b}", "R@10": recall_at_10(found[a], found[b]), "gap": gap}


if __name__ == "__main__":
    main()
