from typing import Any

import pytest
from tests.training.tiny import Scaled, fixed, tiny_run

from closegap.errors import UsageError
from closegap.runs.training import ByClassPath
from closegap.training.optim import alignment_rates, optimizer, parameter_groups


def _groups(**options: Any) -> tuple[Any, list[dict[str, Any]]]:
    run = tiny_run(**options)
    return run, parameter_groups(alignment_rates(run.model, run.loss, run.train), run.train.weight_decay)


def test_every_trained_parameter_is_in_one_group_and_matrices_decay_alone() -> None:
    run, groups = _groups(loss=Scaled(), weight_decay=0.2, lr=0.01)
    grouped = [parameter for group in groups for parameter in group["params"]]
    expected = [*run.model.parameters(), *run.loss.parameters()]
    assert len(grouped) == len(expected)
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in expected}
    for group in groups:
        assert group["lr"] == 0.01
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
    built = optimizer(alignment_rates(run.model, run.loss, run.train), run.train)
    assert type(built).__name__ == "AdamW"
    assert {group["betas"] for group in built.param_groups} == {(0.8, 0.9)}


def test_another_optimiser_gets_what_it_takes_and_what_the_config_says() -> None:
    named = ByClassPath(class_path="torch.optim.SGD", init_args={"momentum": 0.9, "fused": False})
    run = tiny_run(optimizer=named, lr=0.01, tower_lr={"report": 1e-4})
    built = optimizer(alignment_rates(run.model, run.loss, run.train), run.train)
    assert type(built).__name__ == "SGD"
    assert {(group["momentum"], group["fused"]) for group in built.param_groups} == {(0.9, False)}
    assert {group["lr"] for group in built.param_groups} == {0.01, 1e-4}
    run = tiny_run(optimizer=ByClassPath(class_path="torch.optim.NAdam"), betas=(0.8, 0.9))
    built = optimizer(alignment_rates(run.model, run.loss, run.train), run.train)
    assert {group["betas"] for group in built.param_groups} == {(0.8, 0.9)}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"class_path": "builtins.dict"}, r"train\.optimizer: class_path 'builtins\.dict' is of Python's own library"),
        ({"class_path": "torch.optim.Nope"}, r"train\.optimizer: class_path 'torch.optim.Nope' cannot be imported \("),
        ({"class_path": "AdamW"}, r"class_path 'AdamW' cannot be imported .*; expected package\.module\.Class"),
        ({"class_path": "torch.nn.Linear"}, r"train\.optimizer: torch\.nn\.Linear is no torch\.optim\.Optimizer"),
        (
            {"class_path": "torch.optim.SGD", "init_args": {"momentun": 0.9}},
            r"train\.optimizer: torch\.optim\.SGD takes no 'momentun'; it takes params, lr, momentum,",
        ),
        (
            {"class_path": "torch.optim.SGD", "init_args": {"momentum": -1}},
            r"train\.optimizer: torch\.optim\.SGD refuses its arguments \(Invalid momentum value: -1\)",
        ),
        ({"class_path": "torch.optim.LBFGS"}, r"train\.optimizer: torch\.optim\.LBFGS cannot take a step \("),
        (
            {"class_path": "torch.optim.SGD", "init_args": {"foreach": True, "fused": True}},
            r"train\.optimizer: torch\.optim\.SGD refuses its arguments \(",
        ),
        (
            {"class_path": "torch.optim.Adamax", "init_args": {"capturable": True}},
            r"train\.optimizer: torch\.optim\.Adamax cannot take a step \(",
        ),
    ],
)
def test_an_optimiser_that_is_none_is_refused(named: Any, message: str) -> None:
    run = tiny_run(optimizer=named)
    with pytest.raises(UsageError, match=message):
        optimizer(alignment_rates(run.model, run.loss, run.train), run.train)


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.tower_lr: 'imgae' is no modality of the model \(report, record\)"):
        _groups(tower_lr={"imgae": 1.0})
    run = tiny_run(frozen=("report", "record"), temperature=fixed())
    run.model.heads.requires_grad_(False)
    with pytest.raises(UsageError, match="nothing to train: every tower is frozen, no head or loss has a parameter"):
        optimizer(alignment_rates(run.model, run.loss, run.train), run.train)
