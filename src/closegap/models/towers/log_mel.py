"""From recordings to what small audio towers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from closegap.bounds import NonNegativeFloat, PositiveFloat, SampleRate, Seconds, Width
from closegap.checked import check_fields
from closegap.errors import UsageError
from closegap.kinds.audio import AudioKind
from closegap.kinds.mel import log_mel
from closegap.kinds.recording import Recording

_HOP = 0.010  # seconds


@dataclass(frozen=True)
class LogMelPreparer:
    """Recordings to log-mel spectrograms in dB of full scale, of one length: beyond a recording's end they are -inf.

    Channels are averaged. `closegap.kinds.mel.log_mel` has the formula: HTK's mel scale, a frame every 10 ms.

    Args:
        rate: samples in a second, to which everything is resampled.
        seconds: that are heard of each; the rest is cut.
        mels: bands.
        window: seconds of a frame.
        low: frequency where the lowest band begins, in Hz.
    """

    rate: SampleRate = 16_000
    seconds: Seconds = 5.0
    mels: Width = 64
    window: PositiveFloat = 0.025
    low: NonNegativeFloat = 50.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.low >= self.rate / 2:
            raise UsageError(f"low: {self.low:g} Hz given, expected less than half of the rate, {self.rate / 2:g} Hz")

    @property
    def frames(self) -> int:
        """Of every spectrogram."""
        return max(1, round(self.seconds / _HOP))

    def __call__(self, items: Sequence[Path | str | Recording]) -> Float32[Tensor, "n mels frames"]:
        """The batch."""
        found = torch.full((len(items), self.mels, self.frames), -torch.inf)
        for row, item in enumerate(items):
            heard = torch.from_numpy(self.one(item))[:, : self.frames]
            found[row, :, : heard.shape[1]] = heard
        return found

    def one(self, item: Path | str | Recording) -> Float32[np.ndarray, "mels frames"]:
        """The spectrogram of one recording, as long as it is, or as `seconds` are."""
        samples, rate = AudioKind().parse(item).samples(self.rate, self.seconds)
        return log_mel(samples.mean(0), rate, self.mels, self.window, _HOP, self.low)


def heard(decibels: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n frames"]:
    """1 where a frame is of the recording, 0 beyond its end."""
    return (decibels[:, 0] > -torch.inf).to(decibels.dtype)


def centred(decibels: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n mels frames"]:
    """The range of a recording, -100 to 0 dB, as -1 to 1; 0 beyond its end."""
    return torch.where(decibels > -torch.inf, decibels / 50 + 1, 0)
