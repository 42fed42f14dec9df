"""Small audio towers trained from scratch, on log-mel spectrograms."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import Depth, NonNegativeFloat, SampleRate, Seconds, Share, ShareBelowOne, Side, Width
from closegap.errors import UsageError
from closegap.kinds.audio import AudioKind
from closegap.models.base import Encoder
from closegap.models.towers.log_mel import LogMelPreparer, centred, heard
from closegap.models.towers.residual import Stage, shorter
from closegap.models.towers.spectrogram_noise import SpectrogramNoise
from closegap.models.towers.strips import StripTransformer


class SmallAudioEncoder(Encoder):
    """A convolutional tower on log-mel spectrograms: of each band the mean and the largest of all moments, added.

    Nothing beyond a recording's end has any part in its features.

    Args:
        rate: samples in a second, to which everything is resampled.
        seconds: that are heard of each recording; the rest is cut.
        mels: bands of the spectrogram.
        widths: channels of each stage; every stage halves bands and moments.
        bands: cells along the frequency that are kept, since a pitch says what sounds.
        gain: see `SpectrogramNoise`, which is what is done to spectrograms in training; 0 leaves them alone, as for
            `shift`, `masked_bands` and `masked_moments`.
        shift: see there.
        masked_bands: see there, `bands`.
        masked_moments: see there, `moments`.

    Raises:
        UsageError: more stages than the bands or the moments can be halved.

    Reference:
        Kong et al. 2020, PANNs, for mean and maximum over time added.
    """

    takes = AudioKind
    one_shape = True

    def __init__(
        self,
        rate: SampleRate = 16_000,
        seconds: Seconds = 5.0,
        mels: Width = 64,
        widths: Sequence[Width] = (24, 48, 96, 160),
        bands: Side = 2,
        gain: NonNegativeFloat = 6.0,
        shift: Share = 0.5,
        masked_bands: Share = 0.15,
        masked_moments: Share = 0.15,
    ) -> None:
        super().__init__()
        self._preparer = LogMelPreparer(rate, seconds, mels)
        shortest = min(mels, self._preparer.frames)
        if not widths or shortest < (least := 2 ** (len(widths) + 1)):
            raise UsageError(
                f"SmallAudioEncoder.widths: {len(widths)} given for {mels} bands and {self._preparer.frames} moments, "
                + (f"expected at least {least} of each" if widths else "expected at least one")
            )
        self.noise = SpectrogramNoise(gain, shift, masked_bands, masked_moments)
        self.stem = nn.Conv2d(1, widths[0], 4, stride=4)
        self.stages = nn.ModuleList([Stage(a, b) for a, b in pairwise(widths)])
        self.bands = bands
        self.dim = widths[-1] * bands
        self.norm = nn.LayerNorm(self.dim)

    def preparer(self) -> LogMelPreparer:
        """Decoding, resampling, spectrogram."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n dim"]:
        """Features by band."""
        decibels = self.noise(inputs)
        beyond = -decibels.shape[2] % (4 * 2 ** len(self.stages))
        mask = shorter(F.pad(heard(decibels), (0, beyond))[:, None, None], 4)
        cells = self.stem(F.pad(centred(decibels), (0, beyond))[:, None]) * mask
        for stage in self.stages:
            mask, before = shorter(mask, 2), mask
            cells = stage(cells, before) * mask
        cells = F.adaptive_avg_pool2d(cells, (self.bands, cells.shape[3]))
        mean = cells.sum(3) / mask.sum(3).clamp_min(1)
        largest = cells.masked_fill(mask == 0, -torch.inf).amax(3)
        features: Tensor = self.norm((mean + largest).flatten(1))
        return features


class SmallAudioTransformerEncoder(Encoder):
    """A small transformer over strips of a log-mel spectrogram, each all bands of some moments, mean-pooled.

    Args:
        rate: samples in a second, to which everything is resampled.
        seconds: that are heard of each recording; the rest is cut.
        mels: bands of the spectrogram.
        strip: frames of 10 ms in a strip.
        dim: width of the states.
        layers: transformer layers.
        heads: attention heads.
        dropout: share of units dropped in training.
        gain: see `SpectrogramNoise`, which is what is done to spectrograms in training; 0 leaves them alone, as for
            `shift`, `masked_bands` and `masked_moments`.
        shift: see there.
        masked_bands: see there, `bands`.
        masked_moments: see there, `moments`.

    Raises:
        UsageError: a width that the heads do not divide.
    """

    takes = AudioKind
    one_shape = True

    def __init__(
        self,
        rate: SampleRate = 16_000,
        seconds: Seconds = 5.0,
        mels: Width = 64,
        strip: Width = 4,
        dim: Width = 128,
        layers: Depth = 2,
        heads: Width = 4,
        dropout: ShareBelowOne = 0.1,
        gain: NonNegativeFloat = 6.0,
        shift: Share = 0.5,
        masked_bands: Share = 0.15,
        masked_moments: Share = 0.15,
    ) -> None:
        super().__init__()
        self._preparer = LogMelPreparer(rate, seconds, mels)
        self.dim = dim
        self.noise = SpectrogramNoise(gain, shift, masked_bands, masked_moments)
        name = type(self).__name__
        self.states = StripTransformer(mels, self._preparer.frames, strip, dim, layers, heads, dropout, name)

    def preparer(self) -> LogMelPreparer:
        """Decoding, resampling, spectrogram."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n dim"]:
        """Mean state of the strips."""
        decibels = self.noise(inputs)
        states: Tensor = self.states(centred(decibels), heard(decibels))
        return states
