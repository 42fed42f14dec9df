"""Two processes that train together are one process, up to the rounding of sums."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.processes import finish, start, start_ranks
from tests.training.config import write_config
from torch import Tensor

from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import read_metrics


def _weights(folder: Path) -> Mapping[str, Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    found = [load_file(path) for path in sorted(last.glob("*.safetensors")) if path.stem in ("model", "decoder")]
    return {name: tensor for tensors in found for name, tensor in tensors.items()}


_DECODER = {
    "class_path": "closegap.caption.PrefixDecoder",
    "init_args": {"prefix": 2, "layers": 1, "width": 16, "heads": 2, "dropout": 0.0},
}
_CAPTIONING: Mapping[str, Any] = {
    "class_path": "closegap.caption.Captioning",
    "init_args": {"decoder": _DECODER, "image": "record", "text": "report", "vocabulary": 300},
}


@pytest.mark.parametrize(
    ("objective", "shard"),
    [(None, False), (_CAPTIONING, False), (None, True)],
    ids=["alignment", "captions too", "the model in parts"],
)
def test_two_processes_train_the_same_model_as_one(
    tmp_path: Path, objective: Mapping[str, Any] | None, shard: bool
) -> None:
    # Batches of four: some hold no record at all on one process or on both, and captions differ in length.
    options: dict[str, Any] = {"steps": 24, "batch_size": 4, "validate_every": 12, "lr": 1e-3, "clip_norm": 0.5}
    options["trackers"] = ["tensorboard"]  # which end with the steps, and the processes with the report
    config = write_config(tmp_path, 0.0, objective, shard=shard, **options)
    one, two = tmp_path / "one", tmp_path / "two"
    finish(
        start("train", "--config", config, "--out", one, seen=tmp_path / "seen"),
        *start_ranks(2, "train", "--config", config, "--out", two, seen=tmp_path / "ranks"),
    )
    counts = [json.loads((folder / "environment.json").read_text())["processes"] for folder in (one, two)]
    assert counts == [1, 2]
    _assert_close(_weights(two), _weights(one))
    rows = [read_metrics(folder / "metrics.jsonl") for folder in (one, two)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    for first, second in zip(*rows, strict=True):
        for name in ("loss", "caption", "gradient_norm", "validation/gap", "validation/log_likelihood"):
            if name in first:
                torch.testing.assert_close(second[name], first[name], atol=1e-3, rtol=1e-3)
    assert (two / "report.html").stat().st_size > 1000
    if shard:  # what two processes began with their parts, one ends
        shutil.rmtree(checkpoints(two / "checkpoints")[-1])
        finish(start("train", "--resume", two, seen=tmp_path / "seen"))
        _assert_close(_weights(two), _weights(one))


def _assert_close(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-4, rtol=2e-3)


def test_two_processes_train_the_same_decoder_on_a_frozen_model(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("aligned", "one", "two")}
    config = write_config(tmp_path, 0.0, steps=4, batch_size=4)
    finish(start("train", "--config", config, "--out", folders["aligned"], seen=tmp_path / "seen"))
    on_it = {**_CAPTIONING, "init_args": {**_CAPTIONING["init_args"], "model_from": str(folders["aligned"])}}
    config = write_config(tmp_path, 0.0, on_it, steps=12, batch_size=4, lr=1e-3, select="log_likelihood")
    finish(
        start("train", "--config", config, "--out", folders["one"], seen=tmp_path / "seen"),
        *start_ranks(2, "train", "--config", config, "--out", folders["two"], seen=tmp_path / "ranks"),
    )
    _assert_close(_weights(folders["two"]), _weights(folders["one"]))
