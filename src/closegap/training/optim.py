"""What is trained at which rate, and the optimiser that the run names."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import torch
from torch import nn

from closegap.errors import UsageError
from closegap.losses.base import Loss
from closegap.models.model import Model
from closegap.runs.training import Training
from closegap.sharding import in_parts
from closegap.training.class_path import call_with, class_of

PeakRates: TypeAlias = Sequence[tuple[nn.Module, float]]
"""Modules that are trained, and their peak learning rates."""


def alignment_rates(model: Model, loss: Loss, training: Training) -> PeakRates:
    """Towers with their own rate; heads, temperature and loss with the run's.

    Raises:
        UsageError: a rate for a tower that the model does not have.
    """
    strange = sorted(set(training.tower_lr) - set(model.modalities))
    if strange:
        raise UsageError(f"train.tower_lr: {strange[0]!r} is no modality of the model ({', '.join(model.modalities)})")
    towers: list[tuple[nn.Module, float]] = [
        (model.encoder(name), training.tower_lr.get(name, training.lr)) for name in model.modalities
    ]
    return [*towers, (model.heads, training.lr), (model.temperature, training.lr), (loss, training.lr)]


def parameter_groups(rates: PeakRates, weight_decay: float) -> list[dict[str, Any]]:
    """Groups by learning rate and decay; matrices decay alone.

    Raises:
        UsageError: there is nothing to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for part, rate in rates:
        for parameter in part.parameters():
            if parameter.requires_grad:
                decay = weight_decay if parameter.ndim >= 2 else 0.0
                groups.setdefault((rate, decay), []).append(parameter)
    if not groups:
        raise UsageError("nothing to train: every tower is frozen, no head or loss has a parameter")
    # A fused step takes no mixture of tensors in parts and whole ones; their order, by which states are saved, stays.
    return [
        {"params": list(alike), "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
        for _, alike in groupby(parameters, in_parts)
    ]


def optimizer(rates: PeakRates, training: Training) -> torch.optim.Optimizer:
    """The run's optimiser over the parameter groups; by default AdamW.

    Fused where it can be: one pass over each tensor, on a CPU many times faster for large ones.

    Raises:
        UsageError: no such class, no optimiser, or arguments that it does not take or cannot take a step with.
    """
    kind = class_of("train.optimizer", training.optimizer)
    if not issubclass(kind, torch.optim.Optimizer):
        raise UsageError(f"train.optimizer: {training.optimizer['class_path']} is no torch.optim.Optimizer")
    groups = parameter_groups(rates, training.weight_decay)
    offered = {"betas": training.betas, "fused": True, "lr": training.lr}  # some refuse to be without a default rate
    _try_step(training, call_with("train.optimizer", kind, training.optimizer, offered, [_scratch(groups)]))
    built: torch.optim.Optimizer = call_with("train.optimizer", kind, training.optimizer, offered, groups)
    return built


def _scratch(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A group of one small matrix where training will be, with a gradient."""
    matrix = nn.Parameter(
        torch.zeros(2, 2, device=torch.accelerator.current_accelerator(check_available=True) or "cpu")
    )
    matrix.grad = torch.zeros_like(matrix)
    return {**groups[0], "params": [matrix]}


def _try_step(training: Training, optimizer: torch.optim.Optimizer) -> None:
    """Take a step on nothing: some arguments are refused by a step alone, after the data have been read.

    Raises:
        UsageError: it cannot be taken.
    """
    try:
        optimizer.step()
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        path = training.optimizer["class_path"]
        raise UsageError(f"train.optimizer: {path} cannot take a step ({error}); see `init_args`") from error
