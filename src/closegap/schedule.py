"""Piecewise-linear schedules over the progress of training."""

from bisect import bisect_right
from collections.abc import Sequence

from closegap.bounds import Share
from closegap.checked import Checked
from closegap.errors import UsageError


class Schedule(Checked):
    """A number that depends on training progress p in [0, 1]: linear between points, constant outside them.

    Args:
        points: (p, value) pairs with increasing p.

    Raises:
        UsageError: no points, p outside [0, 1], or p not increasing.

    Example:
        >>> beta = Schedule([(0.25, 1.0), (0.75, 0.0)])
        >>> beta(0.0), beta(0.5), beta(1.0)
        (1.0, 0.5, 0.0)
    """

    def __init__(self, points: Sequence[tuple[Share, float]]) -> None:
        positions = [p for p, _ in points]
        if not points or sorted(set(positions)) != positions or positions[0] < 0 or positions[-1] > 1:
            raise UsageError(f"a schedule needs (progress, value) points with progress rising in [0, 1], got {points}")
        self.points = tuple((float(p), float(value)) for p, value in points)

    def __call__(self, progress: float) -> float:
        """The value at `progress`."""
        after = bisect_right(self.points, progress, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (p0, v0), (p1, v1) = self.points[after - 1], self.points[after]
        return v0 + (v1 - v0) * (progress - p0) / (p1 - p0)

    def __repr__(self) -> str:
        return f"Schedule({list(self.points)})"


def constant(value: float) -> Schedule:
    """The schedule that is `value` throughout."""
    return Schedule([(0.0, value)])
