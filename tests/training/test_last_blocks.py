"""Towers whose last blocks are trained, from the activations of the others."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.models.prefixed import PrefixedEncoder
from tests.training.tiny import TinySource, fixed, tiny_run
from torch import Tensor

from closegap.data.loader import take
from closegap.errors import ClosegapError
from closegap.infer.prepared import feature_set
from closegap.models import CanonicalHead
from closegap.posthoc import Canonical
from closegap.runs import checkpoint
from closegap.runs.log import Nobody
from closegap.training.trainer import Trainer

NAMES = ("report", "record")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _trainer(folder: Path, canonical: bool = False, **training: Any) -> Trainer:
    run = tiny_run(NAMES, temperature=fixed(), source=TinySource(), dropout=0.1, **training)
    torch.manual_seed(0)
    run.model.encoders["report"] = PrefixedEncoder(16, dropout=0.1)
    if canonical:
        run.model.heads.update({name: CanonicalHead(16, 8, hidden=16, ridge=0.3, power=1.0) for name in NAMES})
    return Trainer(run, folder, Nobody())


def _trained(folder: Path, **training: Any) -> dict[str, Tensor]:
    trainer = _trainer(folder, **training)
    trainer.train()
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


@pytest.mark.parametrize("options", [{}, {"micro_batch": 5}, {"workers": 1}])
def test_training_from_activations_is_training_from_items(tmp_path: Path, options: dict[str, Any]) -> None:
    plain = _trained(tmp_path / "plain", cache_features=False, **options)
    kept = _trained(tmp_path / "kept", half_activations=False, **options)
    start = _trainer(tmp_path / "start").model.state_dict()
    assert not torch.equal(kept["encoders.report.rear.0.weight"], start["encoders.report.rear.0.weight"])
    for name, tensor in plain.items():
        torch.testing.assert_close(kept[name], tensor, atol=1e-6, rtol=1e-5)


def test_half_precision_moves_weights_little(tmp_path: Path) -> None:
    exact = _trained(tmp_path / "exact", half_activations=False)
    half = _trained(tmp_path / "half")
    moved = [name for name, tensor in exact.items() if not torch.equal(half[name], tensor)]
    assert "encoders.report.rear.0.weight" in moved
    for name in moved:
        assert float((half[name] - exact[name]).norm() / exact[name].norm()) < 0.02


def test_a_step_runs_no_frozen_block(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path / "run")
    encoder = trainer.model.encoder("report")
    assert isinstance(encoder, PrefixedEncoder)
    ran = len(encoder.front.ran)
    trainer.train()
    assert len(encoder.front.ran) == ran


def test_checkpoints_hold_what_is_trained(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path / "run")
    trainer.train()
    newest = checkpoint.checkpoints(tmp_path / "run/checkpoints")[-1]
    held = set(load_file(newest / "model.safetensors"))
    assert "encoders.report.rear.0.weight" in held
    assert not [name for name in held if name.startswith("encoders.report.front.")]
    other = _trainer(tmp_path / "other")
    checkpoint.load_model(newest, other.model)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[name], tensor)
    with torch.no_grad():
        other.model.get_parameter("encoders.report.front.table.weight")[1] += 1
    with pytest.raises(ClosegapError, match="a frozen report tower with other weights or preparation"):
        checkpoint.load_model(newest, other.model)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = _trained(tmp_path / "whole", steps=6, checkpoint_every=3)
    stopped = tmp_path / "stopped"
    trainer = _trainer(stopped, steps=6, checkpoint_every=3)
    step, taken = trainer._step, 0

    def interrupted(batch: Any) -> dict[str, float]:
        nonlocal taken
        taken += 1
        if taken == 5:
            raise KeyboardInterrupt
        return step(batch)

    trainer._step = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    for name, tensor in _trained(stopped, steps=6, checkpoint_every=3).items():
        assert torch.equal(tensor, whole[name]), name


def test_canonical_heads_start_from_the_features_of_the_whole_tower(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path / "run", canonical=True, steps=0)
    trainer.train()
    split, model = trainer.train_split, trainer.model.eval()
    found = feature_set(split, model, torch.device("cpu"))
    views = split.views["report"]
    encoder = model.encoder("report")
    with torch.no_grad():
        whole = encoder(encoder.preparer()([views.items[i] for i in views.starts[:-1].tolist()]))
        resumed = model.features("report", take(views, views.starts[:-1].tolist(), None))
    torch.testing.assert_close(resumed, whole, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(
        found.embeddings["report"], torch.nn.functional.normalize(whole, dim=1), atol=2e-3, rtol=2e-3
    )
    expected = Canonical(ridge=0.3, power=1.0, keep=0.0).fit(found).fitted
    head = model.heads["report"]
    assert expected is not None
    assert isinstance(head, CanonicalHead)
    width = min(8, expected.state["map/report"].shape[1])
    torch.testing.assert_close(head.map[:, :width], expected.state["map/report"][:, :width].float())
