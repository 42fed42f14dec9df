import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.tiny import Scaled, fixed, tiny_run
from torch import Tensor, nn

from closegap.errors import ClosegapError
from closegap.losses import GapClosing
from closegap.metrics.cosines import COS_NULL
from closegap.metrics.gap import GAP
from closegap.metrics.retrieval import mean_recall
from closegap.models import LearnableTemperature
from closegap.runs import checkpoint
from closegap.runs.checkpoint import TrainingState
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.run import Run
from closegap.training import optim


class Trained:
    """A run's model, loss and optimiser after a few steps on noise."""

    def __init__(self, steps: int = 2, seed: int = 0, **options: Any) -> None:
        run: Run = tiny_run(seed=seed, **options)
        self.model, self.loss = run.model, run.loss
        self.optimizer = optim.optimizer(optim.alignment_rates(run.model, run.loss, run.train), run.train)
        self.towers = checkpoint.frozen_towers(self.model)
        for _ in range(steps):
            for parameter in (*self.model.parameters(), *self.loss.parameters()):
                parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
            self.optimizer.step()

    def save(self, folder: Path, step: int = 3, **state: Any) -> Path:
        given = TrainingState(step, **state)
        return checkpoint.save_checkpoint(folder, self.model, {"loss": self.loss}, self.optimizer, given, self.towers)

    def load(self, path: Path) -> None:
        checkpoint.load_model(path, self.model)
        checkpoint.load_beside(path, "loss", self.loss)
        checkpoint.load_optimizer(path, self.optimizer)

    def tensors(self) -> dict[str, Tensor]:
        state = self.optimizer.state_dict()["state"]
        found = {f"optimizer/{i}/{key}": value for i, entry in state.items() for key, value in entry.items()}
        found |= {f"model/{name}": value for name, value in self.model.state_dict().items()}
        return found | {f"loss/{name}": value for name, value in self.loss.state_dict().items()}


@pytest.mark.parametrize("frozen", [(), ("report",)])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path, frozen: tuple[str, ...]) -> None:
    options: dict[str, Any] = {"frozen": frozen, "loss": Scaled(), "temperature": LearnableTemperature()}
    saved = Trained(**options)
    path = saved.save(tmp_path, best_step=1, best_value=0.25)
    other = Trained(steps=0, **(options | {"loss": Scaled(), "temperature": LearnableTemperature()}))
    assert not torch.equal(other.tensors()["model/heads.report.weight"], saved.tensors()["model/heads.report.weight"])
    other.load(path)
    expected, found = saved.tensors(), other.tensors()
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert any(name.endswith("exp_avg_sq") for name in found)
    assert found["loss/scale"] != 1
    assert checkpoint.read_state(path) == TrainingState(3, 1, 0.25)


def test_progress_is_towards_what_is_better() -> None:
    first, best = TrainingState(3), TrainingState(3, 1, 0.25)
    assert all(first.improved_by(0.25, figure) for figure in (GAP, mean_recall(10), COS_NULL))
    assert not first.improved_by(float("nan"), GAP)
    assert (best.improved_by(0.2, GAP), best.improved_by(0.3, GAP)) == (True, False)
    assert (best.improved_by(0.2, mean_recall(10)), best.improved_by(0.3, mean_recall(10))) == (False, True)
    assert (best.improved_by(-0.2, COS_NULL), best.improved_by(-0.3, COS_NULL)) == (True, False)


def test_a_run_before_its_first_validation_has_no_best(tmp_path: Path) -> None:
    assert checkpoint.read_state(Trained().save(tmp_path)) == TrainingState(3, 0, None)


def test_frozen_towers_are_left_to_the_config(tmp_path: Path) -> None:
    path = Trained(frozen=("report",)).save(tmp_path)
    names = load_file(path / "model.safetensors").keys()
    assert not [name for name in names if name.startswith("encoders.report.")]
    assert {"heads.report.weight", "encoders.record.mean", "temperature.log_scale"} <= names
    whole = load_file(Trained().save(tmp_path / "whole") / "model.safetensors").keys()
    assert [name for name in whole if name.startswith("encoders.report.")]


def test_a_checkpoint_is_plain_files(tmp_path: Path) -> None:
    path = Trained().save(tmp_path)
    assert sorted(file.name for file in path.iterdir()) == [
        "loss.safetensors",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    assert path == tmp_path / "step-00000003"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    calls = []

    def failing(tensors: Any, file: Path) -> None:
        calls.append(file)
        if len(calls) == at:
            file.write_bytes(b"half a fi")
            raise OSError("No space left on device")
        save_file(tensors, file)

    monkeypatch.setattr("closegap.runs.checkpoint.save_file", failing)
    with pytest.raises(OSError, match="No space left"):
        Trained().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    trained = Trained()
    kept = []
    for step, best in ((1, 0), (2, 2), (3, 2), (4, 2), (5, 2), (6, 6), (7, 6)):
        trained.save(tmp_path, step, best_step=best)
        kept.append([int(path.name.removeprefix("step-")) for path in checkpoint.checkpoints(tmp_path)])
    assert kept == [[1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5], [5, 6], [6, 7]]
    assert len(list(tmp_path.iterdir())) == 2


def test_of_a_finished_run_the_best_and_the_last_stay_without_the_optimiser(tmp_path: Path) -> None:
    trained = Trained()
    for step in (2, 3, 4, 5):
        trained.save(tmp_path, step, best_step=2)
    before = {file: file.read_bytes() for file in tmp_path.glob("step-0000000[25]/*") if "optimizer" not in file.name}
    for _ in range(2):
        checkpoint.prune(tmp_path)
        assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000002", "step-00000005"]
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    with pytest.raises(ClosegapError, match=r"no readable checkpoint to go on from \(no optimizer\.safetensors, which"):
        checkpoint.load_optimizer(tmp_path / "step-00000005", trained.optimizer)
    checkpoint.prune(tmp_path / "nothing yet")


@pytest.mark.parametrize("pieces", [(2, 1), (1, 2)])
def test_what_is_counted_in_groups_goes_on_in_groups_that_are_cut_elsewhere(
    tmp_path: Path, pieces: tuple[int, int]
) -> None:
    def cut(trained: Trained, size: int) -> None:
        """Groups of one parameter, as a model in parts may have, or as they are."""
        if size == 2:
            trained.optimizer.param_groups[:] = [
                {**group, "params": [parameter]}
                for group in trained.optimizer.param_groups
                for parameter in group["params"]
            ]

    saved, other = Trained(), Trained(steps=0)
    cut(saved, pieces[0])
    cut(other, pieces[1])
    for number, group in enumerate(saved.optimizer.param_groups):
        group["taken"] = 7 + (pieces[0] == 1) * number
    other.load(saved.save(tmp_path))
    taken = [group["taken"] for group in other.optimizer.param_groups]
    if pieces[0] == 2:
        assert set(taken) == {7}
    else:
        assert sorted(set(taken)) == [7 + number for number in range(len(saved.optimizer.param_groups))]
    expected, found = saved.tensors(), other.tensors()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_an_optimiser_that_keeps_what_no_checkpoint_holds_is_refused(tmp_path: Path) -> None:
    trained = Trained()
    trained.optimizer.state[next(trained.model.heads.parameters())]["history"] = [1, 2]
    with pytest.raises(ClosegapError, match=r"train\.optimizer: AdamW keeps a list \(history\) in its state"):
        trained.save(tmp_path)


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    for name in (".step-00000002.abc123", ".step-00000001.deleted"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half a fi")
    assert checkpoint.checkpoints(tmp_path) == []
    Trained().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_a_step_that_is_saved_is_not_saved_again(tmp_path: Path) -> None:
    first = Trained().save(tmp_path)
    before = (first / "model.safetensors").stat().st_mtime_ns
    assert Trained(steps=1).save(tmp_path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = Trained().save(tmp_path)
    for options, message in (
        ({"modalities": ("report", "concepts")}, "checkpoint of another model .*is in one and not in the other"),
        ({"temperature": fixed()}, "checkpoint of another model .temperature.* is in one"),
        ({"frozen": ("report",)}, "checkpoint of another model .encoders.report.* is in one"),
    ):
        with pytest.raises(ClosegapError, match=message) as caught:
            Trained(**options).load(path)
        assert str(path) in str(caught.value)
    other = Trained()
    other.model.heads["report"] = nn.Linear(16, 9, bias=False)
    with pytest.raises(ClosegapError, match=r"report\.weight is float32 \(8, 16\), the config's is float32 \(9, 16\)"):
        other.load(path)
    with pytest.raises(ClosegapError, match=r"checkpoint of another loss \(scale is in one"):
        checkpoint.load_beside(path, "loss", Scaled())


def test_a_frozen_tower_with_other_weights_is_refused(tmp_path: Path) -> None:
    saved = Trained(frozen=("report",))
    path = saved.save(tmp_path)
    Trained(frozen=("report",)).load(path)
    with pytest.raises(ClosegapError, match="trained on a frozen report tower with other weights or preparation than"):
        Trained(frozen=("report",), seed=1).load(path)
    with pytest.raises(ClosegapError, match="frozen report tower"):
        checkpoint.load_model(path, saved.model, towers={"report": "another fingerprint"})


@pytest.mark.parametrize("name", ["model.safetensors", "loss.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "noise"])
def test_damaged_files_are_one_line(tmp_path: Path, name: str, damage: str) -> None:
    path = Trained().save(tmp_path)
    content = (path / name).read_bytes()
    (path / name).unlink()
    if damage != "gone":
        (path / name).write_bytes({"empty": b"", "cut": content[: len(content) // 2], "noise": b"[1, 2]"}[damage])
    with pytest.raises(ClosegapError, match="no readable checkpoint") as caught:
        Trained().load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def _altered(tensors: dict[str, Tensor], name: str, how: str) -> dict[str, Tensor]:
    ways: Mapping[str, Callable[[Tensor], Tensor]] = {
        "long": lambda tensor: tensor.long(),
        "bool": lambda tensor: tensor.bool(),
        "half": lambda tensor: tensor.half(),
        "one bit": lambda tensor: tensor.flatten().index_fill(0, torch.tensor(0), 0.5).reshape(tensor.shape),
        "not a number": lambda tensor: tensor * float("nan"),
        "another shape": lambda tensor: tensor[:1],
    }
    return {key: (ways[how](tensor) if key == name else tensor).contiguous() for key, tensor in tensors.items()}


@pytest.mark.parametrize("how", ["long", "bool", "half", "one bit", "not a number", "another shape"])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("model", "heads.report.weight"),
        ("model", "encoders.record.mean"),
        ("loss", "scale"),
        ("optimizer", "1/exp_avg"),
        ("optimizer", "1/step"),
    ],
)
def test_tensors_that_are_not_those_that_were_saved_are_refused(tmp_path: Path, file: str, name: str, how: str) -> None:
    path = Trained(loss=Scaled()).save(tmp_path)
    tensors = load_file(path / f"{file}.safetensors")
    tensors[name] = tensors[name].reshape(-1, 1) if how == "another shape" else tensors[name]
    save_file(_altered(tensors, name, how), path / f"{file}.safetensors")
    with pytest.raises(
        ClosegapError, match=rf"no readable checkpoint \({file}\.safetensors is not what was saved\); copy"
    ):
        Trained(loss=Scaled()).load(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"step": 3', f'"step": 1{400 * "0"}'),
        ('"step": 3', '"step": "3"'),
        ('"step": 3', '"step": 4'),
        ('"best_value": 0.25', '"best_value": "high"'),
        ('"best_value": 0.25', '"best_value": 0.26'),
        ('"best_step": 1', '"best_step": null'),
        ('"frozen_towers": {}', '"frozen_towers": []'),
        ('"eps": 1e-08', '"eps": NaN'),
        ("{", 3000 * "[" + "{"),
    ],
)
def test_a_state_that_is_not_the_one_that_was_saved_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = Trained().save(tmp_path, best_step=1, best_value=0.25)
    text = (path / "state.json").read_text(encoding="utf-8")
    assert old in text
    (path / "state.json").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ClosegapError, match=r"no readable checkpoint \(state\.json: .*\); copy the run again"):
        Trained().load(path)
    with pytest.raises(ClosegapError, match=r"no readable checkpoint"):
        checkpoint.read_state(path)


def test_a_checkpoint_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    path = Trained().save(tmp_path)
    path.rename(tmp_path / "step-00000009")
    with pytest.raises(ClosegapError, match=r"step-00000009: holds the checkpoint of step 3; give it its own name"):
        checkpoint.read_state(tmp_path / "step-00000009")


def test_weights_of_another_precision_are_refused(tmp_path: Path) -> None:
    path = Trained().save(tmp_path)
    other = Trained()
    other.model.heads["report"].half()
    with pytest.raises(ClosegapError, match=r"report\.weight is float32 \(8, 16\), the config's is float16 \(8, 16\)"):
        other.load(path)


def test_the_best_or_the_last_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match="no checkpoint yet; train on with `closegap train --resume"):
        chosen_checkpoint(tmp_path, "best")
    trained = Trained(loss=GapClosing())
    for step in (2, 4, 6, 8):
        trained.save(tmp_path / "checkpoints", step, best_step=4 if step >= 4 else 0)
    assert chosen_checkpoint(tmp_path, "best").name == "step-00000004"
    assert chosen_checkpoint(tmp_path, "last").name == "step-00000008"


def test_without_validation_the_last_is_the_best(tmp_path: Path) -> None:
    Trained().save(tmp_path / "checkpoints", 2)
    assert chosen_checkpoint(tmp_path, "best").name == "step-00000002"


@pytest.mark.parametrize("file", ["state.json", "model.safetensors", "optimizer.safetensors"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, file: str) -> None:
    path = Trained(loss=Scaled()).save(tmp_path)
    (path / file).unlink()
    os.mkfifo(path / file)
    with pytest.raises(ClosegapError, match=r"no readable checkpoint .*no regular file"):
        Trained(loss=Scaled()).load(path)


def test_only_what_is_called_as_a_checkpoint_is_one(tmp_path: Path) -> None:
    copy = tmp_path / "step-00000001 (copy)"
    copy.mkdir()
    for step in range(1, 5):
        Trained(loss=Scaled()).save(tmp_path, step)
    assert copy.is_dir()


def test_what_kills_left_among_checkpoints_is_swept(tmp_path: Path) -> None:
    for name in (
        ".step-00000003.abcdefgh.unfinished",
        ".step-00000001.deleted",
        ".step-1 of somebody",
        "step-00000002",
    ):
        (tmp_path / name / "inside").mkdir(parents=True)
    checkpoint.sweep_remains(tmp_path)
    checkpoint.sweep_remains(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".step-1 of somebody", "step-00000002"]
