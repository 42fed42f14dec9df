"""How a recording is heard."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from closegap.bounds import NonNegativeFloat, PositiveFloat, Seconds
from closegap.checked import check_fields

_FRAME, _HOP = 0.025, 0.010  # seconds
_RMS = 0.1  # -20 dB of full scale


@dataclass(frozen=True)
class Listening:
    """Which part of a recording is heard, and what is done to it before anybody sees it.

    Args:
        offset: seconds that are left out at the beginning.
        duration: seconds from there on; the rest of the recording by default, of at most ten minutes.
        channels: "mono" is the mean of all channels, "kept" each as it is.
        trim: leave out what is quieter than the loudest 25 ms by so many dB, at the beginning and the end; 40 is usual.
        level: "recorded" leaves it as it is, "peak" scales the largest sample to 1, "rms" the root mean square to 0.1.

    Raises:
        UsageError: a setting out of its bounds.
    """

    offset: NonNegativeFloat = 0.0
    duration: Seconds | None = None
    channels: Literal["mono", "kept"] = "mono"
    trim: PositiveFloat | None = None
    level: Literal["recorded", "peak", "rms"] = "recorded"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def of_all(self) -> bool:
        """Whether what is done depends on the whole window, so that no part of it can be had alone."""
        return self.trim is not None or self.level != "recorded"

    def applied(self, samples: Float32[np.ndarray, "channels n"], rate: int) -> Float32[np.ndarray, "channels m"]:
        """The samples of the window, trimmed and levelled."""
        if self.trim is not None:
            samples = trimmed(samples, rate, self.trim)
        return levelled(samples, self.level)

    def __str__(self) -> str:
        """What differs from a recording heard whole; "" where nothing does.

        Example:
            >>> str(Listening()), str(Listening(duration=5, trim=40))
            ('', 'duration 5, trim 40')
        """
        given = {name: value for name, value in vars(self).items() if value != getattr(AS_IT_IS, name)}
        return ", ".join(
            f"{name} {value:g}" if name != "channels" and name != "level" else f"{name} {value}"
            for name, value in given.items()
        )


AS_IT_IS = Listening()
"""Whole, mono, nothing done to it."""


def trimmed(samples: Float32[np.ndarray, "channels n"], rate: int, below: float) -> Float32[np.ndarray, "channels m"]:
    """From the first to the last frame of 25 ms whose energy is within `below` dB of the loudest frame's.

    Frames begin every 10 ms; energy is the mean square over their samples and channels. The last frame may be short.
    """
    frame, hop = max(1, round(_FRAME * rate)), max(1, round(_HOP * rate))
    total = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64).mean(0))])
    first = np.arange(0, samples.shape[1], hop)
    last = np.minimum(first + frame, samples.shape[1])
    energy = (total[last] - total[first]) / (last - first)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-below / 10))
    return samples[:, first[loud[0]] : last[loud[-1]]]


def levelled(
    samples: Float32[np.ndarray, "channels n"], level: Literal["recorded", "peak", "rms"]
) -> Float32[np.ndarray, "channels n"]:
    """The samples with the largest at 1, or a root mean square of 0.1; silence as it is."""
    if level == "recorded" or not samples.any():
        return samples
    found = np.abs(samples).max() if level == "peak" else np.sqrt(np.square(samples, dtype=np.float64).mean()) / _RMS
    return (samples / np.float64(found)).astype(np.float32)
