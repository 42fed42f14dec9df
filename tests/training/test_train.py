"""Training as a program calls it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.config import write_config

from closegap.errors import ClosegapError, DataError, UsageError
from closegap.report.training_page import write_training_report
from closegap.runs.config import run_config
from closegap.runs.log import Nobody
from closegap.training.train import resume, train, train_into


class _StopError(Exception):
    pass


class _Killer(Nobody):
    def step(self, step: int, steps: int, terms: Any) -> None:
        if step == 5:
            raise _StopError


def test_a_config_becomes_a_run_and_its_page(tmp_path: Path) -> None:
    config = json.loads(write_config(tmp_path, steps=4).read_text(encoding="utf-8"))
    found = train(config, tmp_path / "run", overrides=["--train.steps", "6"])
    assert (found.folder, found.arm, found.main, found.run.train.steps) == (tmp_path / "run", "tiny", True, 6)
    assert found.embeddings is not None
    before, after = found.embeddings
    assert before.ids == after.ids
    assert not torch.equal(before.embeddings["report"], after.embeddings["report"])
    assert {case.id for case in found.cases} == set(after.ids)
    written = write_training_report(found)
    assert written is not None
    assert written.page == tmp_path / "run" / "report.html"
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["before training", "tiny"]
    with pytest.raises(UsageError, match=r"run: already holds config\.yaml; go on with `closegap train --resume"):
        train(config, tmp_path / "run")


def test_resume_goes_on_and_a_finished_run_stays(tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=8, checkpoint_every=2)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(_StopError):
        train(config, tmp_path / "cut", watcher=_Killer())
    for _ in range(2):
        found = resume(tmp_path / "cut")
        assert found.embeddings is not None
        assert whole.embeddings is not None
        assert torch.equal(found.embeddings[1].embeddings["report"], whole.embeddings[1].embeddings["report"])
    with pytest.raises(ClosegapError, match=r"nowhere: not a run folder \(no config\.yaml\)"):
        resume(tmp_path / "nowhere")


def test_a_split_that_will_be_needed_is_asked_for_before_the_first_step(tmp_path: Path) -> None:
    config = run_config(write_config(tmp_path, steps=4))
    with pytest.raises(DataError, match="no cases in split 'test'; there are 'train', 'validation'"):
        train_into(tmp_path / "run", config, splits=["test"])
    assert not (tmp_path / "run").exists()
