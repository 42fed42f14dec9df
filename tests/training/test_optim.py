import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.tiny import Scaled, fixed, tiny_run

from closegap.errors import UsageError
from closegap.training.optim import alignment_parts, optimizer, parameter_groups, rate_factor


def _groups(**options: Any) -> tuple[Any, list[dict[str, Any]]]:
    run = tiny_run(**options)
    return run, parameter_groups(alignment_parts(run.model, run.loss, run.train), run.train.weight_decay)


def test_every_trained_parameter_is_in_one_group_and_matrices_decay_alone() -> None:
    run, groups = _groups(loss=Scaled(), weight_decay=0.2, lr=0.01)
    grouped = [parameter for group in groups for parameter in group["params"]]
    expected = [*run.model.parameters(), *run.loss.parameters()]
    assert len(grouped) == len(expected)
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in expected}
    for group in groups:
        assert group["lr"] == group["peak_lr"] == 0.01
        assert {parameter.ndim >= 2 for parameter in group["params"]} == {group["weight_decay"] == 0.2}
        assert group["weight_decay"] in (0.0, 0.2)
    undecayed = {id(parameter) for group in groups if not group["weight_decay"] for parameter in group["params"]}
    assert id(run.model.temperature.log_scale) in undecayed
    assert id(run.loss.scale) in undecayed


def test_towers_have_rates_of_their_own() -> None:
    run, groups = _groups(lr=0.01, tower_lr={"report": 1e-4})
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert {rates[id(parameter)] for parameter in run.model.encoder("report").parameters()} == {1e-4}
    assert {rates[id(parameter)] for parameter in run.model.encoder("record").parameters()} == {0.01}
    assert {rates[id(parameter)] for parameter in run.model.heads.parameters()} == {0.01}


def test_frozen_parameters_are_left_out() -> None:
    run, groups = _groups(frozen=("report",))
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    assert not grouped & {id(parameter) for parameter in run.model.encoder("report").parameters()}


def test_the_optimiser_is_adamw_with_the_runs_constants() -> None:
    run = tiny_run(betas=(0.8, 0.9))
    built = optimizer(alignment_parts(run.model, run.loss, run.train), run.train)
    assert type(built).__name__ == "AdamW"
    assert {group["betas"] for group in built.param_groups} == {(0.8, 0.9)}


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.tower_lr: 'imgae' is no modality of the model \(report, record\)"):
        _groups(tower_lr={"imgae": 1.0})
    run = tiny_run(frozen=("report", "record"), temperature=fixed())
    run.model.heads.requires_grad_(False)
    with pytest.raises(UsageError, match="nothing to train: every tower is frozen, no head or loss has a parameter"):
        optimizer(alignment_parts(run.model, run.loss, run.train), run.train)


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
