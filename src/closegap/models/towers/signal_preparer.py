"""From signals to what small signal towers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from closegap.bounds import Hertz, Seconds
from closegap.checked import check_fields
from closegap.kinds.signal import SignalKind
from closegap.kinds.waveform import Waveform

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Of an electrocardiogram."""


@dataclass(frozen=True)
class SignalPreparer:
    """Signals to tensors of one shape: gaps, leads that are not there and what lies beyond a signal's end are NaN.

    Args:
        leads: by name, in this order.
        rate: samples in a second, to which everything is resampled.
        seconds: that are taken of each; the rest is cut.
        scale: as of `Sampling`, after the signal's own: "recorded", "centred" or "standard".
    """

    leads: tuple[str, ...] = STANDARD_LEADS
    rate: Hertz = 100.0
    seconds: Seconds = 10.0
    scale: Literal["recorded", "centred", "standard"] = "centred"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def frames(self) -> int:
        """Samples of every lead."""
        return max(1, round(self.seconds * self.rate))

    def __call__(self, items: Sequence[Path | str | Waveform]) -> Float32[Tensor, "n leads frames"]:
        """The batch."""
        found = torch.full((len(items), len(self.leads), self.frames), torch.nan)
        for row, item in enumerate(items):
            values = torch.from_numpy(self.one(item))[:, : self.frames]
            found[row, :, : values.shape[1]] = values
        return found

    def one(self, item: Path | str | Waveform) -> Float32[np.ndarray, "leads frames"]:
        """The leads of one signal, as long as it is, or as `seconds` are."""
        found = SignalKind().parse(item).traces(self.rate, self.seconds)
        values: Float32[np.ndarray, "leads frames"] = found.of(self.leads).scaled(self.scale).values
        return values


def recorded(values: Float[Tensor, "n leads frames"]) -> Float[Tensor, "n frames"]:
    """1 where any lead has something, 0 where none has."""
    return (~values.isnan()).any(1).to(values.dtype)
