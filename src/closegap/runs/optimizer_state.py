"""What an optimiser has counted, as tensors and numbers that plain files hold."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from closegap.errors import ClosegapError
from closegap.sharding import like


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Its tensors, under <parameter>/<name>."""
    return {name: value for name, value in _entries(optimizer).items() if isinstance(value, Tensor)}


def optimizer_numbers(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What an optimiser keeps beside tensors: numbers of a parameter, or of the group that begins with a parameter.

    Raises:
        ClosegapError: something that is neither tensor nor number.
    """
    numbers = {name: value for name, value in _entries(optimizer).items() if not isinstance(value, Tensor)}
    for name, value in numbers.items():
        if not isinstance(value, int | float | None):
            raise ClosegapError(
                f"train.optimizer: {type(optimizer).__name__} keeps a {type(value).__name__} ({name.split('/')[1]}) in "
                "its state, which no checkpoint holds; choose an optimiser that keeps tensors, numbers alone"
            )
    groups = {
        str(group["params"][0]): {name: found for name, value in group.items() if (found := _number(value)) is not None}
        for group in optimizer.state_dict()["param_groups"]
    }
    return {"state": numbers, "groups": groups}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> None:
    """Give an optimiser the state that `optimizer_tensors` and `optimizer_numbers` took from one of the same kind."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = like(tensor, parameters[int(index)]) if tensor.ndim else tensor
    for name, number in numbers["state"].items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = number
    # What the config says of a group is the config's; what else is in it, the optimiser has counted there.
    groups = [
        _counted(numbers["groups"], group["params"][0]) | group for group in optimizer.state_dict()["param_groups"]
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _counted(groups: Mapping[str, Mapping[str, Any]], parameter: int) -> dict[str, Any]:
    """The numbers of the saved group that holds a parameter; a model in parts has more groups than one in whole."""
    return dict(groups[str(max(first for first in map(int, groups) if first <= parameter))])


def _number(value: Any) -> int | float | None:
    """A number, or the one in a tensor of no dimension; None of anything else."""
    found = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    return found if isinstance(found, int | float) else None


def _entries(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Everything in the state, under <parameter>/<name>."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{key}": value for index, entry in state.items() for key, value in entry.items()}
