"""Which frames of a clip are looked at."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from closegap.bounds import Depth, PositiveFloat, Seed
from closegap.checked import check_fields

SECOND = 1_000_000
"""Moments are whole microseconds from a clip's beginning."""


@dataclass(frozen=True)
class Span:
    """When the frames of a clip, or of a part of one, are shown.

    Args:
        starts: the moment at which each begins to be shown, ascending, the first at `begin` or before.
        begin: moment at which the part begins.
        end: moment at which it ends, after `begin`.
    """

    starts: Sequence[int]
    begin: int
    end: int


@dataclass(frozen=True)
class FrameChoice:
    """So many frames of a clip, chosen by time: a frame that is shown longer is met more often, whatever its number.

    Args:
        frames: how many; where a clip has fewer, some are seen twice.
        rate: frames of a second of the clip, from its beginning on; where it ends before, there are fewer. By default
            each is the frame in the middle of one of `frames` parts of equal length.
        seed: draws a moment from each of the parts in place of its middle, or, with a rate, where to begin; the same
            for clips of one length, each time.

    Reference:
        Wang et al. 2016, Temporal segment networks, 1608.00859, for one frame of each part.
    """

    frames: Depth = 8
    rate: PositiveFloat | None = None
    seed: Seed | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def moments(self, span: Span) -> list[int]:
        """At which the chosen frames begin to be shown, in their order; at least one.

        Example:
            >>> FrameChoice(3).moments(Span([0, 10, 20, 30, 40, 50], 0, 60))
            [10, 30, 50]
        """
        length = span.end - span.begin
        random = None if self.seed is None else np.random.default_rng(self.seed)
        if self.rate is None:
            within = np.full(self.frames, 0.5) if random is None else random.random(self.frames)
            times: Float[np.ndarray, frames] = span.begin + (np.arange(self.frames) + within) / self.frames * length
        else:
            steps = np.arange(self.frames) * (SECOND / self.rate)
            left = max(0.0, length - steps[-1] - 1)
            times = span.begin + (0 if random is None else random.random() * left) + steps
            times = times[: max(1, int((times < span.end).sum()))]
        return [span.starts[max(0, bisect_right(span.starts, time) - 1)] for time in times.tolist()]
