"""Parameter groups and the learning rate's course."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import nn

from closegap.errors import UsageError
from closegap.losses.base import Loss
from closegap.models.model import Model
from closegap.runs.training import Training
from closegap.sharding import in_parts

Parts = Sequence[tuple[nn.Module, float]]
"""Modules that are trained, and their peak learning rates."""


def alignment_parts(model: Model, loss: Loss, training: Training) -> Parts:
    """Towers with their own rate; heads, temperature and loss with the run's.

    Raises:
        UsageError: a rate for a tower that the model does not have.
    """
    strange = sorted(set(training.tower_lr) - set(model.modalities))
    if strange:
        raise UsageError(f"train.tower_lr: {strange[0]!r} is no modality of the model ({', '.join(model.modalities)})")
    parts: list[tuple[nn.Module, float]] = [
        (model.encoder(name), training.tower_lr.get(name, training.lr)) for name in model.modalities
    ]
    return [*parts, (model.heads, training.lr), (model.temperature, training.lr), (loss, training.lr)]


def parameter_groups(parts: Parts, weight_decay: float) -> list[dict[str, Any]]:
    """Groups by learning rate and decay; matrices decay alone.

    Raises:
        UsageError: there is nothing to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for part, rate in parts:
        for parameter in part.parameters():
            if parameter.requires_grad:
                decay = weight_decay if parameter.ndim >= 2 else 0.0
                groups.setdefault((rate, decay), []).append(parameter)
    if not groups:
        raise UsageError("nothing to train: every tower is frozen, no head or loss has a parameter")
    # A fused step takes no mixture of tensors in parts and whole ones; their order, by which states are saved, stays.
    return [
        {"params": list(alike), "lr": rate, "peak_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
        for _, alike in groupby(parameters, in_parts)
    ]


def optimizer(parts: Parts, training: Training) -> torch.optim.AdamW:
    """AdamW over the parameter groups, fused: one pass over each tensor, on a CPU many times faster for large ones."""
    return torch.optim.AdamW(parameter_groups(parts, training.weight_decay), betas=training.betas, fused=True)


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at `step`: linear rise over the warm-up, then a cosine to 0.

    Example:
        >>> [round(rate_factor(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rise = round(steps * warmup)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
