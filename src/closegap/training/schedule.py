"""The learning rate's course."""

import math
import warnings
from functools import partial
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from closegap.errors import UsageError
from closegap.runs.training import Training
from closegap.training.class_path import call_with, class_of


class WarmupCosine(LambdaLR):
    """A linear rise to each group's own rate over the warm-up, then a cosine to 0.

    torch's `SequentialLR` of a `LinearLR` and a `CosineAnnealingLR` takes the same course; it is told step by step from
    the one before, this one from the step alone, so that a run that goes on needs no state of it.

    Args:
        optimizer: whose groups hold their peak rates.
        steps: of the training.
        warmup: share of the steps with a rising rate.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> None:
        super().__init__(optimizer, partial(rate_factor, steps=steps, warmup=warmup))


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


class Rates:
    """The run's schedule over an optimiser, torch's or timm's; the rates of a step depend on its number alone.

    Args:
        optimizer: whose groups hold their rates.
        training: names the schedule.
        steps: of the training.

    Raises:
        UsageError: no such class, no schedule of steps, or arguments that it does not take.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, training: Training, steps: int) -> None:
        named, offered = training.schedule, {"steps": steps, "warmup": training.warmup}
        kind = class_of("train.schedule", named)
        # A schedule's first breath sets the rates of step 0, and torch's looks whether the optimiser is wrapped.
        self.schedule: Any = call_with("train.schedule", kind, named, offered, optimizer)
        by_steps = isinstance(self.schedule, LRScheduler) and not isinstance(self.schedule, ReduceLROnPlateau)
        if not by_steps and (not hasattr(self.schedule, "step_update") or getattr(self.schedule, "t_in_epochs", False)):
            raise UsageError(
                f"train.schedule: {named['class_path']} does not go by steps; expected a torch LRScheduler, "
                "or one of timm's with t_in_epochs: false"
            )
        self._stepped = by_steps

    def set(self, step: int) -> None:
        """Give the optimiser's groups their rates at `step`, which never goes back."""
        if not self._stepped:
            self.schedule.step_update(step)
            return
        with warnings.catch_warnings():
            # A run that goes on passes by the steps that were taken before, without the optimiser.
            warnings.filterwarnings("ignore", message=r"Detected call of `lr_scheduler.step\(\)` before")
            warnings.filterwarnings("ignore", message=r"Seems like `optimizer.step\(\)` has been overridden")
            while self.schedule.last_epoch < step:
                self.schedule.step()
