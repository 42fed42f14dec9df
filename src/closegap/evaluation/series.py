"""Arms that belong together on the frontier."""

from collections.abc import Sequence
from dataclasses import dataclass

from closegap.evaluation.report import Arm


@dataclass(frozen=True)
class Series:
    """Arms that belong together.

    Args:
        name: in the legend.
        arms: one, or a sweep.
        knobs: the setting of each arm (lambda); with them the arms are joined by a line.
    """

    name: str
    arms: Sequence[Arm]
    knobs: Sequence[float] | None = None
