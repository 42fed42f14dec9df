"""Heads that begin as the canonical map, and runs that take no step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tiny import TinySource, fixed, tiny_run
from torch.nn.functional import normalize

from closegap.infer.prepared import feature_set
from closegap.models import CanonicalHead
from closegap.posthoc import Canonical
from closegap.runs.log import Nobody
from closegap.runs.run import Run
from closegap.training.trainer import Trainer


def _run(steps: int, frozen: Sequence[str] = ("report", "record"), **training: Any) -> Run:
    run = tiny_run(frozen, frozen, dropout=0.0, temperature=fixed(), source=TinySource(), steps=steps, **training)
    run.model.heads.update({name: CanonicalHead(16, 8, hidden=16, ridge=0.3, power=1.0) for name in frozen})
    return run


def _trained(folder: Path, steps: int) -> Trainer:
    trainer = Trainer(_run(steps), folder, Nobody())
    trainer.train()
    return trainer


def test_without_a_step_the_model_is_the_canonical_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trainer = _trained(tmp_path / "run", 0)
    splits = (trainer.train_split, trainer.validation_split)
    train, validation = (feature_set(split, trainer.model, torch.device("cpu")) for split in splits)
    moved = Canonical(ridge=0.3, power=1.0, keep=0.0).fit(train).apply(validation)
    before, after = trainer.validation_embeddings()
    first = torch.tensor([after.ids.index(case) for case in validation.ids])
    for name, rows in moved.embeddings.items():
        there = validation.mask(name)
        expected = normalize(rows[there][:, : after.width], dim=1)
        torch.testing.assert_close(after.embeddings[name][first][there], expected, atol=1e-5, rtol=0)
    assert all(torch.equal(before.embeddings[name], rows) for name, rows in after.embeddings.items())
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step-00000000"]


def test_training_moves_the_residual_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    start, trained = _trained(tmp_path / "start", 0).model, _trained(tmp_path / "run", 4).model
    for name in start.modalities:
        first, last = start.heads[name], trained.heads[name]
        assert isinstance(first, CanonicalHead)
        assert isinstance(last, CanonicalHead)
        assert torch.equal(first.map, last.map)
        assert first.map.any()
        assert not first.contract.weight.any()
        assert last.contract.weight.any()


def test_the_map_is_the_same_where_features_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = (_run(0, ("report", "concepts"), cache_features=cached) for cached in (True, False))
    kept, computed = (Trainer(run, tmp_path / f"run{n}", Nobody()).model for n, run in enumerate(runs))
    for name in kept.modalities:
        one, other = kept.heads[name].map, computed.heads[name].map
        assert isinstance(one, torch.Tensor)
        assert isinstance(other, torch.Tensor)
        assert one.any()
        torch.testing.assert_close(other @ other.T, one @ one.T, atol=1e-3, rtol=1e-3)
