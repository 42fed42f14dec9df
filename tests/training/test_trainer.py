import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tiny import Scaled, TinySource, fixed, tiny_run
from torch import Tensor

from closegap.data import Case
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, MissingExtraError, UsageError
from closegap.losses import EmbeddedBatch, InfoNCE, Loss
from closegap.metrics.figure import Figure
from closegap.runs.checkpoint import checkpoints, read_state
from closegap.runs.log import Nobody, read_metrics
from closegap.runs.run import Run
from closegap.runs.training import Training
from closegap.training.finite import NonFiniteError
from closegap.training.trainer import Trainer


class Seeing(Nobody):
    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.losses: list[float] = []
        self.validations: list[int] = []
        self.computed: dict[str, int] = {}

    def features(self, modality: str, done: int, total: int) -> None:
        self.computed[modality] = self.computed.get(modality, 0) + 1

    def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
        self.steps.append((step, steps))
        self.losses.append(terms["loss"])

    def validation(self, step: int, metrics: Mapping[Figure, float]) -> None:
        self.validations.append(step)


def _train(run: Run, folder: Path) -> tuple[Trainer, Seeing]:
    seeing = Seeing()
    trainer = Trainer(run, folder, seeing)
    trainer.train()
    return trainer, seeing


def _weights(trainer: Trainer) -> Tensor:
    return torch.cat([value.flatten().float() for value in trainer.model.state_dict().values()])


def test_training_lowers_the_loss_and_finds_the_pairs(tmp_path: Path) -> None:
    _, seeing = _train(tiny_run(steps=60, source=TinySource(complete=True), temperature=fixed()), tmp_path)
    assert sum(seeing.losses[-5:]) < sum(seeing.losses[:5]) - 1
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "validation/R@5" in row]
    assert rows[-1]["validation/R@5"] > rows[0]["validation/R@5"] + 0.1
    assert rows[-1]["validation/cos_true_pairs"] > rows[-1]["validation/cos_null"] + 0.3


def test_a_run_folder_holds_all_that_describes_the_run(tmp_path: Path) -> None:
    trainer, seeing = _train(tiny_run(steps=13, validate_every=4, checkpoint_every=5), tmp_path)
    assert seeing.steps == [(step, 13) for step in range(1, 14)]
    assert seeing.validations == [0, 4, 8, 12, 13]
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [0, 4, 8, 10, 12, 13, 13]
    logged = rows[3]
    assert {"loss", "contrastive", "align", "uniformity", "temperature", "lr", "gradient_norm", "epoch"} < set(logged)
    assert logged["loss"] == pytest.approx(logged["contrastive"] + logged["align"] + logged["uniformity"])
    assert logged["epoch"] == 10 / 4  # 64 cases in batches of 16

    steps = [int(path.name.removeprefix("step-")) for path in checkpoints(tmp_path / "checkpoints")]
    state = read_state(checkpoints(tmp_path / "checkpoints")[-1])
    recalls = {row["step"]: row["validation/R@10"] for row in rows if row["step"] and "validation/R@10" in row}
    assert state.best_value == max(recalls.values())
    assert state.best_step == min(step for step, recall in recalls.items() if recall == state.best_value)
    assert {13, state.best_step} <= set(steps)
    assert state.step == 13

    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert (tmp_path / "skipped.csv").read_text().startswith("reason,where,message")
    start = EmbeddingSet.load(tmp_path / "embeddings" / "validation-start.safetensors")
    assert len(set(start.ids)) == 24
    before, after = trainer.validation_embeddings()
    assert torch.equal(before.embeddings["report"], start.embeddings["report"])
    assert not torch.equal(after.embeddings["report"], start.embeddings["report"])


def test_equal_runs_are_equal_and_other_seeds_are_not(tmp_path: Path) -> None:
    one, other, third = (
        _weights(_train(tiny_run(seed=seed), tmp_path / f"{number}")[0]) for number, seed in enumerate((0, 0, 1))
    )
    assert torch.equal(one, other)
    assert not torch.allclose(one, third)


def test_workers_and_other_randomness_do_not_matter(tmp_path: Path) -> None:
    one = _weights(_train(tiny_run(), tmp_path / "one")[0])
    run = tiny_run(workers=1)
    torch.rand(7)
    assert torch.equal(_weights(_train(run, tmp_path / "other")[0]), one)


def test_a_run_that_goes_on_equals_one_that_was_not_stopped(tmp_path: Path) -> None:
    class Stopped(Seeing):
        def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
            if step == 5:
                raise KeyboardInterrupt

    options: dict[str, Any] = {"steps": 9, "checkpoint_every": 2, "validate_every": 3, "frozen": ("report",)}
    whole, _ = _train(tiny_run(**options), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        Trainer(tiny_run(**options), tmp_path / "stopped", Stopped()).train()
    resumed, seeing = _train(tiny_run(**options), tmp_path / "stopped")
    assert seeing.steps[0] == (5, 9)
    assert torch.equal(_weights(resumed), _weights(whole))
    finished, seeing = _train(tiny_run(**options), tmp_path / "stopped")
    assert seeing.steps == []
    assert torch.equal(_weights(finished), _weights(whole))


def test_frozen_towers_are_computed_once_and_give_the_same_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"frozen": ("report",), "steps": 5}
    cached, seeing = _train(tiny_run(**options), tmp_path / "cached")
    # 72 different reports in batches of eight; those of validation are among them.
    assert seeing.computed == {"report": 9}
    again, seeing = _train(tiny_run(**options), tmp_path / "again")
    assert seeing.computed == {}
    assert torch.equal(_weights(again), _weights(cached))
    plain, seeing = _train(tiny_run(**options, cache_features=False), tmp_path / "plain")
    assert seeing.computed == {}
    torch.testing.assert_close(_weights(plain), _weights(cached), atol=1e-4, rtol=1e-4)


def test_masked_groups_change_the_loss(tmp_path: Path) -> None:
    masked, plain = (
        _train(tiny_run(steps=1, batch_size=32, mask_groups=mask, loss=InfoNCE()), tmp_path / f"{mask}")[1].losses
        for mask in (True, False)
    )
    assert masked[0] < plain[0]  # fewer negatives


def test_bfloat16_trains_after_and_before_float32(tmp_path: Path) -> None:
    plain, half, again = (
        _train(tiny_run(steps=8, temperature=fixed(), dropout=0.0, precision=precision), tmp_path / f"{number}")
        for number, precision in enumerate(("no", "bf16", "no"))
    )
    assert half[0].model.heads["report"].weight.dtype == torch.float32
    assert half[1].losses == pytest.approx(plain[1].losses, abs=0.1)
    assert half[1].losses != plain[1].losses
    assert again[1].losses == plain[1].losses


def test_a_loss_with_parameters_learns_them(tmp_path: Path) -> None:
    loss = Scaled()
    _train(tiny_run(loss=loss, steps=3), tmp_path)
    assert loss.scale.item() != 1


def test_three_modalities_train_where_some_are_missing(tmp_path: Path) -> None:
    _, seeing = _train(tiny_run(modalities=("report", "record", "concepts"), batch_size=4, steps=20), tmp_path)
    assert all(math.isfinite(loss) for loss in seeing.losses)
    last = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert "validation/record|concepts:concepts_to_record/R@10" in last


class Broken(Loss):
    """From its third step on not finite in its value, or in its gradient alone."""

    def __init__(self, value: str, backward: bool = False) -> None:
        super().__init__()
        self.value, self.backward, self.calls = float(value), backward, 0

    def terms(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        self.calls += 1
        mean = batch.embeddings["report"].mean()
        if self.calls < 3:
            return {"sound": mean, "odd": mean}
        return {"sound": mean, "odd": (mean - mean).sqrt() if self.backward else mean * self.value}


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_names_step_and_term(tmp_path: Path, value: str) -> None:
    message = r"step 2: loss term 'odd' is -?(nan|inf); lower --train\.lr"
    trainer = Trainer(tiny_run(loss=Broken(value), checkpoint_every=1), tmp_path, Nobody())
    with pytest.raises(NonFiniteError, match=message):
        trainer.train()
    assert _weights(trainer).isfinite().all()
    assert read_state(checkpoints(tmp_path / "checkpoints")[-1]).step == 2


def test_a_gradient_that_is_not_finite_names_its_step(tmp_path: Path) -> None:
    trainer = Trainer(tiny_run(loss=Broken("1", backward=True)), tmp_path, Nobody())
    with pytest.raises(NonFiniteError, match="step 2: gradient 'norm' is nan"):
        trainer.train()
    assert _weights(trainer).isfinite().all()


@pytest.mark.parametrize("steps", [1, 2])
def test_weights_that_are_no_numbers_are_neither_measured_nor_saved(tmp_path: Path, steps: int) -> None:
    # The last step has no next one whose loss would tell.
    run = tiny_run(steps=2, checkpoint_every=1, validate_every=1, weight_decay=0.0)
    trainer = Trainer(run, tmp_path, Nobody())

    def explode(optimizer: Any, args: Any, kwargs: Any) -> None:
        if trainer.state.step == steps - 1:
            next(trainer.model.heads.parameters()).data.fill_(math.inf)

    trainer.optimizer.register_step_post_hook(explode)
    with pytest.raises(
        NonFiniteError, match=rf"^step {steps}: heads\.\S+ is not finite any more, and no checkpoint holds"
    ):
        trainer.train()
    assert [path.name for path in checkpoints(tmp_path / "checkpoints")] == ["step-00000001"][: steps - 1]
    measured = [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if "validation/gap" in row]
    assert measured == list(range(steps))


def test_a_gap_is_selected_at_its_lowest(tmp_path: Path) -> None:
    _train(tiny_run(steps=12, validate_every=2, select="gap"), tmp_path)
    gaps = {
        row["step"]: row["validation/gap"]
        for row in read_metrics(tmp_path / "metrics.jsonl")
        if "validation/gap" in row
    }
    after = {step: gap for step, gap in gaps.items() if step}
    state = read_state(checkpoints(tmp_path / "checkpoints")[-1])
    assert len(set(after.values())) == 6
    assert state.best_value == min(after.values())
    assert after[state.best_step] == state.best_value


def test_without_validation_cases_the_last_is_kept(tmp_path: Path) -> None:
    _, seeing = _train(tiny_run(source=TinySource(validation=0), steps=3), tmp_path)
    assert seeing.validations == []
    assert read_state(checkpoints(tmp_path / "checkpoints")[-1]).best_step == 0


def test_what_cannot_be_trained_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="64 training cases, a batch needs 65"):
        Trainer(tiny_run(batch_size=65), tmp_path, Nobody())
    trainer = Trainer(tiny_run(select="recall"), tmp_path, Nobody())
    with pytest.raises(UsageError, match=r"train\.select: 'recall' is not measured .*; there are gap, cos_true_pairs"):
        trainer.train()
    with pytest.raises(
        UsageError, match=r"train\.select: of 'cos_true_pairs' neither direction is better; choose one of"
    ):
        Trainer(tiny_run(select="cos_true_pairs"), tmp_path, Nobody()).train()
    assert checkpoints(tmp_path / "checkpoints") == []


def test_a_tracker_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closegap.training.trainer.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"^wandb is not installed; pip install 'closegap\[wandb\]'$"):
        Trainer(tiny_run(trackers=["wandb"]), tmp_path, Nobody())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["epochs", "steps", "batch_size", "lr", "clip_norm", "validate_every"])
def test_numbers_out_of_range_are_refused(name: str) -> None:
    given: dict[str, Any] = {name: -1}
    with pytest.raises(
        UsageError, match=rf"Training\.{name}: -1 given, expected a (whole )?number (above 0|from [01] to)"
    ):
        Training(**given)


def test_a_warm_up_is_a_share() -> None:
    with pytest.raises(UsageError, match=r"Training\.warmup: 1\.5 given, expected a number from 0 to 1"):
        Training(warmup=1.5)


def test_towers_learn_the_statistics_of_training_records_alone(tmp_path: Path) -> None:
    run = tiny_run(steps=1)
    sizes = [
        item["size"]
        for row in TinySource().rows()
        if isinstance(row, Case) and row.split == "train"
        for item in row.views.get("record", ())
    ]
    trainer, _ = _train(run, tmp_path)
    assert trainer.model.get_buffer("encoders.record.mean").item() == pytest.approx(sum(sizes) / len(sizes), rel=1e-5)
