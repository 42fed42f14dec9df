"""The temperature that cosines are divided by: learnable, fixed or scheduled."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.errors import UsageError
from closegap.models.recipe import Recorded
from closegap.schedule import Schedule


class Temperature(Recorded, nn.Module, ABC):
    """tau as a function of training progress."""

    @abstractmethod
    def forward(self, progress: float) -> Float[Tensor, ""]:
        """Tau at `progress`, a scalar above 0."""


class LearnableTemperature(Temperature):
    """tau = exp(-s) with a learned log-scale s, as in CLIP; never below 1/max_scale, never decayed.

    Args:
        start: tau before the first step.
        max_scale: largest 1/tau.
    """

    def __init__(self, start: float = 0.07, max_scale: float = 100.0) -> None:
        super().__init__()
        _check(start)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(start)))
        self.max_log_scale = math.log(max_scale)

    def forward(self, progress: float = 1.0) -> Float[Tensor, ""]:
        """The learned tau."""
        del progress
        # Clamping the parameter, not its use: past the bound a clamped use would have no gradient to come back by.
        with torch.no_grad():
            self.log_scale.clamp_(max=self.max_log_scale)
        return torch.exp(-self.log_scale)


class FixedTemperature(Temperature):
    """The same tau throughout.

    Args:
        tau: the temperature.
    """

    tau: Tensor

    def __init__(self, tau: float = 0.1) -> None:
        super().__init__()
        _check(tau)
        self.register_buffer("tau", torch.tensor(float(tau)))

    def forward(self, progress: float = 1.0) -> Float[Tensor, ""]:
        """The given tau."""
        del progress
        return self.tau


class ScheduledTemperature(Temperature):
    """tau linear between (progress, tau) points.

    Args:
        points: progress in [0, 1] and tau at it.
    """

    device: Tensor

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        super().__init__()
        self.schedule = Schedule(points)
        for _, tau in points:
            _check(tau)
        self.register_buffer("device", torch.empty(0), persistent=False)

    def forward(self, progress: float = 1.0) -> Float[Tensor, ""]:
        """Tau at `progress`."""
        return torch.tensor(self.schedule(progress), device=self.device.device)


def _check(tau: float) -> None:
    if not tau > 0:
        raise UsageError(f"a temperature must be above 0, got {tau}")
