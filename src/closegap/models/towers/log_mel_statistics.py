"""Recordings by what their spectrograms are on average, and how much they change: no weights, nothing learned."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.fft import dct
from torch import Tensor

from closegap.bounds import SampleRate, Seconds, Width
from closegap.errors import UsageError
from closegap.kinds.audio import AudioKind
from closegap.models.base import Encoder
from closegap.models.towers.log_mel import LogMelPreparer, heard

_UNIT = 20.0  # dB; of this size are the differences between sounds
_REACH = 2  # frames on both sides


class LogMelStatistics(Encoder):
    """Mean and spread over time of each mel band in dB; spread of each cepstral coefficient, and of its slope.

    A feature of sound that is there without a pretrained tower: seconds for a thousand recordings, kept like every
    other. Spreads are standard deviations; all is in units of 20 dB.

    Args:
        rate: samples in a second, to which everything is resampled.
        seconds: that are heard of each recording; the rest is cut.
        mels: bands of the spectrogram.
        cepstrum: coefficients of its cosine transform from the second on; the first is the loudness.

    Raises:
        UsageError: as many coefficients as bands, or more.

    Reference:
        Davis and Mermelstein 1980, for the coefficients; slopes over two frames on both sides, as in Young et al., The
        HTK book, d_t = sum_k k (c_{t+k} - c_{t-k}) / (2 sum_k k^2).
    """

    takes = AudioKind
    one_shape = True

    cosines: Float[Tensor, "cepstrum mels"]

    def __init__(
        self, rate: SampleRate = 16_000, seconds: Seconds = 10.0, mels: Width = 64, cepstrum: Width = 20
    ) -> None:
        super().__init__()
        if cepstrum >= mels:
            raise UsageError(f"LogMelStatistics.cepstrum: {cepstrum} given, expected fewer than its {mels} bands")
        self._preparer = LogMelPreparer(rate, seconds, mels)
        self.dim = 2 * mels + 2 * cepstrum
        cosines = dct(np.eye(mels), axis=0, norm="ortho")[1 : cepstrum + 1]
        self.register_buffer("cosines", torch.from_numpy(cosines).float())

    def preparer(self) -> LogMelPreparer:
        """Decoding, resampling, spectrogram."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n dim"]:
        """Means and spreads."""
        mask = heard(inputs)[:, None]
        values = torch.where(mask > 0, inputs / _UNIT, 0)
        cepstrum = self.cosines @ values
        frames = values.shape[2]
        slopes, inside = cepstrum[..., :0], mask[..., :0]
        if frames > 2 * _REACH:
            middle = frames - 2 * _REACH
            steps = [
                k * (cepstrum[..., _REACH + k :][..., :middle] - cepstrum[..., _REACH - k :][..., :middle])
                for k in range(1, _REACH + 1)
            ]
            slopes = torch.stack(steps).sum(0) / (2 * sum(k * k for k in range(1, _REACH + 1)))
            inside = mask[..., 2 * _REACH :]
        mean, spread = _moments(values, mask)
        return torch.cat([mean, spread, _moments(cepstrum, mask)[1], _moments(slopes, inside)[1]], dim=1)


def _moments(
    values: Float[Tensor, "n bands frames"], mask: Float[Tensor, "n 1 frames"]
) -> tuple[Float[Tensor, "n bands"], Float[Tensor, "n bands"]]:
    """Mean and standard deviation over the frames that are heard; 0 where there are none."""
    count = mask.sum(2).clamp_min(1)
    mean = (values * mask).sum(2) / count
    return mean, (((values - mean[..., None]) * mask).square().sum(2) / count).sqrt()
