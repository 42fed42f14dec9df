import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.tiny import tiny_run
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from closegap.errors import UsageError
from closegap.runs.log import Nobody, read_metrics
from closegap.runs.training import ByClassPath, Training
from closegap.training.schedule import Rates, rate_factor
from closegap.training.trainer import Trainer


def _optimizer(*rates: float) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates or (1.0,)]
    return torch.optim.AdamW(groups)


def _course(training: Training, steps: int, start: int = 0, *peaks: float) -> list[list[float]]:
    """The rates of all groups, step by step."""
    optimizer = _optimizer(*peaks)
    rates, found = Rates(optimizer, training, steps), []
    for step in range(start, steps):
        rates.set(step)
        found.append([group["lr"] for group in optimizer.param_groups])
    return found


@given(steps=st.integers(1, 300), warmup=st.floats(0, 1))
def test_the_rate_rises_then_falls_and_is_never_nothing(steps: int, warmup: float) -> None:
    factors = [rate_factor(step, steps, warmup) for step in range(steps)]
    rise = round(steps * warmup)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[:rise] == sorted(factors[:rise])
    assert factors[rise:] == sorted(factors[rise:], reverse=True)
    assert max(factors) == 1


def test_the_rate_is_linear_then_a_cosine() -> None:
    factors = [rate_factor(step, 100, 0.2) for step in range(100)]
    assert factors[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert factors[20:] == pytest.approx([(1 + math.cos(math.pi * step / 80)) / 2 for step in range(80)])


def test_the_default_course_is_the_factor_of_each_groups_own_rate() -> None:
    found = _course(Training(warmup=0.2), 50, 0, 0.3, 1e-5)
    assert found == [[rate * rate_factor(step, 50, 0.2) for rate in (0.3, 1e-5)] for step in range(50)]


def test_torchs_sequence_takes_the_same_course() -> None:
    steps, rise = 200, 10
    optimizer = _optimizer(0.01)
    up = LinearLR(optimizer, 1 / rise, total_iters=rise - 1)
    schedule = SequentialLR(optimizer, [up, CosineAnnealingLR(optimizer, steps - rise)], [rise])
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    found = [rate for [rate] in _course(Training(warmup=rise / steps), steps, 0, 0.01)]
    assert found == pytest.approx(expected, rel=1e-9)


_SCHEDULES: list[Any] = [
    ByClassPath(class_path="closegap.training.schedule.WarmupCosine"),
    ByClassPath(class_path="torch.optim.lr_scheduler.CosineAnnealingLR", init_args={"T_max": 40}),
    ByClassPath(class_path="torch.optim.lr_scheduler.OneCycleLR", init_args={"max_lr": 0.1, "total_steps": 41}),
    ByClassPath(
        class_path="timm.scheduler.CosineLRScheduler",
        init_args={"t_initial": 40, "warmup_t": 4, "warmup_lr_init": 1e-5, "t_in_epochs": False},
    ),
]


@pytest.mark.parametrize("named", _SCHEDULES, ids=lambda named: named["class_path"].rpartition(".")[2])
def test_a_course_that_goes_on_is_one_that_was_not_stopped(named: ByClassPath) -> None:
    whole = _course(Training(schedule=named), 40, 0, 0.01, 0.02)
    assert len({row[0] for row in whole}) > 20
    assert _course(Training(schedule=named), 40, 17, 0.01, 0.02) == whole[17:]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"class_path": "torch.optim.lr_scheduler.Nope"}, r"train\.schedule: class_path .* cannot be imported"),
        (
            {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step": 3}},
            r"train\.schedule: torch\.optim\.lr_scheduler\.StepLR takes no 'step'; it takes optimizer, step_size,",
        ),
        (
            {"class_path": "torch.optim.lr_scheduler.StepLR"},
            r"train\.schedule: torch\.optim\.lr_scheduler\.StepLR refuses its arguments \(.*'step_size'\); see",
        ),
        ({"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau"}, "does not go by steps"),
        (
            {"class_path": "timm.scheduler.CosineLRScheduler", "init_args": {"t_initial": 3}},
            "does not go by steps; expected a torch LRScheduler, or one of timm's with t_in_epochs: false",
        ),
    ],
)
def test_a_schedule_that_is_none_is_refused(named: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Rates(_optimizer(), Training(schedule=named), 10)


class _StopError(Exception):
    pass


class _Killer(Nobody):
    def step(self, step: int, steps: int, terms: Any) -> None:
        if step == 7:
            raise _StopError


@pytest.mark.parametrize("optimizer", ["torch.optim.SGD", "torch.optim.RAdam", "timm.optim.Lamb"])
def test_other_optimisers_and_schedules_go_on_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    def trainer(folder: Path, watcher: Nobody) -> Trainer:
        schedule = ByClassPath(
            class_path="torch.optim.lr_scheduler.OneCycleLR", init_args={"max_lr": 0.1, "total_steps": 13}
        )
        if optimizer.endswith(("SGD", "Lamb")):  # without betas, or momentum, to cycle
            schedule["init_args"]["cycle_momentum"] = False
        named = ByClassPath(class_path=optimizer)
        options: dict[str, Any] = {"optimizer": named, "schedule": schedule, "checkpoint_every": 3}
        return Trainer(tiny_run(steps=12, **options), folder, watcher)

    whole = trainer(tmp_path / "whole", Nobody())
    whole.train()
    with pytest.raises(_StopError):
        trainer(tmp_path / "cut", _Killer()).train()
    cut = trainer(tmp_path / "cut", Nobody())
    cut.train()
    expected, found = whole.model.state_dict(), cut.model.state_dict()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
    logs = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "cut")]
    assert [row.get("lr") for row in logs[0]] == [row.get("lr") for row in logs[1]]
    assert any("lr" in row for row in logs[0])
