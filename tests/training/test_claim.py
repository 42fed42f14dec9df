"""Who comes second to a run's folder, and what is left of a run that was stopped before it began."""

import json
import re
import signal
from pathlib import Path

import pytest
import torch
from acceptance.moments import Moment
from safetensors.torch import load_file
from tests.processes import finish, start
from tests.training.config import write_config

from closegap.errors import DataError, UsageError
from closegap.lock import contents
from closegap.runs.checkpoint import checkpoints
from closegap.runs.config import run_config
from closegap.runs.log import read_metrics
from closegap.training.train import train, train_into

_IN_USE = (
    r"closegap: \S*/run: in use by `closegap train` \(process {pid} on \S+, since [^)]+\); wait until it is done, or.*"
)


def _bits(folder: Path) -> dict[str, torch.Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    return {
        f"{path.parent.name}/{path.stem}/{name}": tensor
        for path in sorted(last.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def test_the_second_run_in_a_folder_is_refused_and_the_first_is_unharmed(tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=4, checkpoint_every=1)
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(json.loads(config.read_text()) | {"seed": 4}))
    moment = Moment(tmp_path / "run" / "checkpoints" / "step-00000002", "stop", 1)
    first = start("train", "--config", config, "--out", tmp_path / "run", seen=tmp_path / "first", moment=moment)
    assert first.stopped()
    saved = checkpoints(tmp_path / "run" / "checkpoints")
    calls = (("--config", other, "--out", tmp_path / "run"), ("--resume", tmp_path / "run"))
    others = [start("train", *given, seen=tmp_path / "second").wait() for given in calls]
    first.go_on()
    finish(first)
    assert [path.name for path in saved] == ["step-00000001"]
    for second in others:
        assert (second.code, second.out) == (1, "")
        assert re.fullmatch(_IN_USE.format(pid=first.process.pid), second.err.strip())
    alone = train(config, tmp_path / "alone")
    assert alone.run.seed == 3
    found, expected = _bits(tmp_path / "run"), _bits(tmp_path / "alone")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    steps = [row["step"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert steps == [row["step"] for row in read_metrics(tmp_path / "alone" / "metrics.jsonl")]
    assert not list((tmp_path / "run").rglob(".*"))


def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=3)
    moment = Moment(tmp_path / "run" / "checkpoints", "kill", 1)
    begun = start("train", "--config", config, "--out", tmp_path / "run", seen=tmp_path / "seen", moment=moment)
    assert begun.wait().code == -signal.SIGKILL
    assert (tmp_path / "run" / "config.yaml").exists()
    assert not (tmp_path / "run" / "checkpoints").exists()
    (again,) = finish(start("train", "--resume", tmp_path / "run", seen=tmp_path / "seen"))
    assert again.out.startswith(f"{tmp_path / 'run'}: has no checkpoint yet, and starts again\n")
    train(config, tmp_path / "alone")
    found, expected = _bits(tmp_path / "run"), _bits(tmp_path / "alone")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_folder_keeps_its_config(tmp_path: Path) -> None:
    path = write_config(tmp_path, steps=2)
    config = run_config(path)
    train_into(tmp_path / "run", config)
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    said = r"run/config\.yaml: train\.lr is 0\.003 there and 0\.01 in what is asked; a run keeps its config"
    with pytest.raises(UsageError, match=said):
        train_into(tmp_path / "run", run_config(path, ["--train.lr", "0.01"]))
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before
    train_into(tmp_path / "run", config)  # nothing is left to do


def test_what_cannot_be_trained_leaves_the_folder_free(tmp_path: Path) -> None:
    path = write_config(tmp_path, steps=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    # each of them is told only after the folder was taken
    for wrong, error in ((["--data.path", "nowhere.csv"], DataError), (["--train.select", "luck"], UsageError)):
        for out in ("runs/a", "mine"):
            with pytest.raises(error):
                train(path, tmp_path / out, overrides=wrong)
        assert not (tmp_path / "runs").exists()
        assert not (tmp_path / "mine" / "config.yaml").exists()
        assert (tmp_path / "mine" / "notes.txt").exists()
    train(path, tmp_path / "mine")
    assert "notes.txt" in {file.name for file in contents(tmp_path / "mine")}
