"""A run that is killed again and again ends where one that was left alone does, bit for bit."""

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.training.config import finish, start, write_config
from torch import Tensor

from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import read_metrics

STEPS = 120


def _kill_when(folder: Path, moment: Callable[[], bool]) -> int:
    """Train on in `folder` until the moment comes, then kill without warning; the newest whole checkpoint's step."""
    process = start("-m", "closegap", "train", "--resume", folder)
    while not moment():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.0005)
    process.kill()
    process.communicate()
    return _newest(folder)


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
    alone = start("-m", "closegap", "train", "--config", config, "--out", whole)
    begun = start("-m", "closegap", "train", "--config", config, "--out", killed)
    while not (killed / "config.yaml").exists():  # before the first step
        assert begun.poll() is None, begun.communicate()[0]
        time.sleep(0.0005)
    begun.kill()
    begun.communicate()
    stopped = [_newest(killed)]

    def writing() -> bool:
        return _newest(killed) >= stopped[-1] + 10 and any((killed / "checkpoints").glob(".step-*"))

    until = 0.0

    def some_time_later() -> bool:
        nonlocal until
        if not until and _newest(killed) > stopped[-1] + 20:
            until = time.monotonic() + random.random() * 0.2
        return bool(until) and time.monotonic() > until

    for moment in (writing, some_time_later, writing):
        stopped.append(_kill_when(killed, moment))
    assert stopped == sorted(stopped)
    assert 0 == stopped[0] < stopped[1] < stopped[2] < stopped[3] < STEPS

    finish(start("-m", "closegap", "train", "--resume", killed))
    finish(alone)
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
