"""The numbers that signatures take: types that say their bounds to a reader, a config and a call alike.

Every float is finite besides. `closegap.values` says what is wrong with one.
"""

from dataclasses import dataclass
from math import inf
from typing import Annotated, TypeAlias


@dataclass(frozen=True)
class Bound:
    """A range of numbers, inside `Annotated`.

    Args:
        low: the smallest.
        high: the largest.
        beyond: leave `low` itself out.
        below: leave `high` itself out.
    """

    low: float
    high: float = inf
    beyond: bool = False
    below: bool = False

    def admits(self, value: float) -> bool:
        """Whether the number lies in the range.

        Example:
            >>> Bound(0, 1).admits(1.0), Bound(0, 1, below=True).admits(1.0), Bound(0).admits(float("nan"))
            (True, False, False)
        """
        enough = value > self.low if self.beyond else value >= self.low
        return enough and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        """How a person says it, after "a number".

        Example:
            >>> str(Bound(0, beyond=True)), str(Bound(0, 1)), str(Bound(0, 1, below=True)), str(Bound(0, 9, True))
            ('above 0', 'from 0 to 1', 'from 0 to below 1', 'above 0, at most 9')
        """
        if self.beyond:
            return f"above {self.low}" + ("" if self.high == inf else f", at most {self.high}")
        if self.high == inf:
            return f"of at least {self.low}"
        return f"from {self.low} to {'below ' if self.below else ''}{self.high}"


PositiveFloat: TypeAlias = Annotated[float, Bound(0, beyond=True)]
"""Any number above 0."""

NonNegativeFloat: TypeAlias = Annotated[float, Bound(0, 10**6)]
"""A weight or a length that may be 0; beyond a million, sums of squares leave what float32 holds."""

Weight: TypeAlias = Annotated[float, Bound(0, 10**6, beyond=True)]
"""A weight that is not 0."""

Rate: TypeAlias = Annotated[float, Bound(0, 1000, beyond=True)]
"""A learning rate."""

Decay: TypeAlias = Annotated[float, Bound(0, 1000)]
"""A weight decay; a rate times it is what a step takes off."""

Tau: TypeAlias = Annotated[float, Bound(1e-6, 10**6)]
"""A temperature: cosines and logits divided by it stay finite in float32."""

Logit: TypeAlias = Annotated[float, Bound(-1000, 1000)]
"""What is added to logits, or an exponent: neither exhausts float32."""

Power: TypeAlias = Annotated[float, Bound(0, 100)]
"""An exponent of a share: a hundred leaves nothing of any but 1."""

SmallFloat: TypeAlias = Annotated[float, Bound(0, 1, beyond=True)]
"""What is added so that nothing is divided by 0."""

Share: TypeAlias = Annotated[float, Bound(0, 1)]
"""A part of a whole, or a probability."""

ShareBelowOne: TypeAlias = Annotated[float, Bound(0, 1, below=True)]
"""A part that leaves something: of dropped units, of what a running average keeps."""

ShareAboveZero: TypeAlias = Annotated[float, Bound(0, 1, beyond=True)]
"""A part that is something."""

PositiveInt: TypeAlias = Annotated[int, Bound(1, 2**31 - 1)]
"""A number of things."""

NonNegativeInt: TypeAlias = Annotated[int, Bound(0, 2**31 - 1)]
"""A number of things, or none of them."""

Seed: TypeAlias = Annotated[int, Bound(0, 2**32 - 1)]
"""Of everything random; NumPy takes no more."""

Width: TypeAlias = Annotated[int, Bound(1, 2**20)]
"""Features, channels, tokens, heads: a side of a matrix."""

Depth: TypeAlias = Annotated[int, Bound(1, 1000)]
"""Layers, beams, soft tokens: what each costs its own time."""

Side: TypeAlias = Annotated[int, Bound(1, 2**14)]
"""Of a square image in pixels, or of a grid in cells."""

Buckets: TypeAlias = Annotated[int, Bound(2, 2**31 - 1)]
"""Rows of a table that tokens are hashed into; the first is padding."""

Workers: TypeAlias = Annotated[int, Bound(0, 1000)]
"""Processes, or none."""

Resamples: TypeAlias = Annotated[int, Bound(1, 10**5)]
"""Of a bootstrap."""

SampleRate: TypeAlias = Annotated[int, Bound(100, 768_000)]
"""Samples of a sound in a second: from what hearts are recorded at to beyond what studios use."""

Seconds: TypeAlias = Annotated[float, Bound(0, 3600, beyond=True)]
"""What of a recording is held in memory: at most an hour."""

Hertz: TypeAlias = Annotated[float, Bound(0.001, 100_000)]
"""Samples of a signal in a second: from one in a quarter of an hour to what nerves are recorded at."""
