"""The temperature that cosines are divided by: learnable, fixed or scheduled."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import Share, Tau
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

    def __init__(self, start: Tau = 0.07, max_scale: Tau = 100.0) -> None:
        super().__init__()
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

    def __init__(self, tau: Tau = 0.1) -> None:
        super().__init__()
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

    def __init__(self, points: Sequence[tuple[Share, Tau]]) -> None:
        super().__init__()
        self.schedule = Schedule(points)
        self.register_buffer("device", torch.empty(0), persistent=False)

    def forward(self, progress: float = 1.0) -> Float[Tensor, ""]:
        """Tau at `progress`."""
        return torch.tensor(self.schedule(progress), device=self.device.device)
