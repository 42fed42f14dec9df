"""Training from shards takes the very steps of training from what they were written from."""

import json
import signal
from pathlib import Path

import torch
from acceptance.moments import Moment
from safetensors.torch import load_file
from tests.processes import finish, start
from tests.training.config import write_config
from tests.training.tiny import TinySource, tiny_run
from torch import Tensor

from closegap.cli import main
from closegap.data import Case, Shards, Source, write_shards
from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import Nobody
from closegap.training.trainer import Trainer

STEPS = 10


def _trained(folder: Path, source: Source) -> list[Tensor]:
    trainer = Trainer(tiny_run(source=source, steps=12, shuffle_window=20), folder, Nobody())
    trainer.train()
    return [value.clone() for value in trainer.model.state_dict().values()]


def test_shards_train_the_same_model(tmp_path: Path) -> None:
    source = TinySource()
    cases = [row for row in source.rows() if isinstance(row, Case)]
    write_shards(cases, source.kinds, tmp_path / "shards")
    original = _trained(tmp_path / "original", source)
    sharded = _trained(tmp_path / "sharded", Shards(tmp_path / "shards"))
    assert all(torch.equal(a, b) for a, b in zip(original, sharded, strict=True))


def test_a_run_on_shards_that_is_killed_within_an_epoch_changes_nothing(tmp_path: Path) -> None:
    # Checkpoints every two steps of epochs of three: the run goes on from the middle of one.
    config = write_config(
        tmp_path, dropout=0.2, steps=STEPS, checkpoint_every=2, validate_every=STEPS, shuffle_window=20
    )
    written = json.loads(config.read_text(encoding="utf-8"))
    assert main(["shard", "--data", json.dumps(written["data"]), "--out", str(tmp_path / "shards")]) == 0
    written["data"] = {"class_path": "closegap.data.Shards", "init_args": {"root": str(tmp_path / "shards")}}
    config.write_text(json.dumps(written), encoding="utf-8")

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    alone = start("train", "--config", config, "--out", whole, seen=tmp_path / "seen alone")
    moment = Moment(killed / "checkpoints" / "step-00000006", "kill", 1)  # right before it is whole
    stopped = start("train", "--config", config, "--out", killed, seen=tmp_path / "seen", moment=moment)
    assert stopped.wait().code == -signal.SIGKILL
    assert _step(killed) == 4
    finish(start("train", "--resume", killed, seen=tmp_path / "seen"), alone)
    one, other = (load_file(checkpoints(run / "checkpoints")[-1] / "model.safetensors") for run in (whole, killed))
    assert _step(whole) == _step(killed) == STEPS
    assert all(torch.equal(one[name], other[name]) for name in one)


def _step(run: Path) -> int:
    found = checkpoints(run / "checkpoints")
    return int(found[-1].name.removeprefix("step-")) if found else 0
