"""A run that is killed again and again ends where one that was left alone does, bit for bit."""

import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from acceptance.moments import Moment
from safetensors.torch import load_file
from tests.processes import finish, start
from tests.training.config import write_config
from torch import Tensor

from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import read_metrics

STEPS = 40


def _newest(folder: Path) -> int:
    found = checkpoints(folder / "checkpoints")
    return int(found[-1].name.removeprefix("step-")) if found else 0


def _final(folder: Path) -> Mapping[str, Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    assert last.name == f"step-{STEPS:08d}"
    return {
        f"{name}/{key}": tensor
        for name in ("model", "loss")
        for key, tensor in load_file(last / f"{name}.safetensors").items()
    }


def _validations(folder: Path) -> list[Mapping[str, float]]:
    return [row for row in read_metrics(folder / "metrics.jsonl") if any(key.startswith("validation/") for key in row)]


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    config = write_config(tmp_path, dropout=0.2, steps=STEPS, checkpoint_every=1, validate_every=7)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    alone = start("train", "--config", config, "--out", whole, seen=tmp_path / "seen alone")
    call: tuple[Any, ...] = ("train", "--config", config, "--out", killed)
    stopped = list[int]()

    def killed_before(name: str, change: int) -> None:
        nonlocal call
        moment = Moment(killed / "checkpoints" / name, "kill", change)
        assert start(*call, seen=tmp_path / "seen", moment=moment).wait().code == -signal.SIGKILL
        call = ("train", "--resume", killed)
        stopped.append(_newest(killed))

    killed_before("", 1)  # has no checkpoint yet
    killed_before(".step-00000010", 2)  # writes one
    at_work = start(*call, seen=tmp_path / "seen")
    while _newest(killed) < 14:
        assert not at_work.ended(0.0005), at_work.outcome()
    at_work.ended(random.random() * 0.2)  # at any time
    at_work.process.kill()
    assert at_work.wait().code == -signal.SIGKILL
    stopped.append(_newest(killed))
    killed_before("step-00000036", 1)  # is about to have another
    assert stopped == [0, 9, stopped[2], 35]
    assert 14 <= stopped[2] < 35

    finish(start(*call, seen=tmp_path / "seen"), alone)
    expected, found = _final(whole), _final(killed)
    assert expected.keys() == found.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
    assert _validations(killed) == _validations(whole)
    assert [row["step"] for row in _validations(whole)] == [*range(0, STEPS, 7), STEPS]
    logged = [row["step"] for row in read_metrics(killed / "metrics.jsonl")]
    assert logged == [row["step"] for row in read_metrics(whole / "metrics.jsonl")]
    assert {path.name for path in (killed / "checkpoints").iterdir()} == {
        path.name for path in (whole / "checkpoints").iterdir()
    }
    assert (killed / "report.html").stat().st_size > 1000
