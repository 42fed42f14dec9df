"""What is done to spectrograms at random while a tower is trained on them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import NonNegativeFloat, Share
from closegap.models.towers.log_mel import heard

_MASKS = 2  # of each kind, as in the policies of the paper


class SpectrogramNoise(nn.Module):
    """Louder or softer, later or earlier, and without some bands and moments; as it is in evaluation.

    What is drawn depends on torch's generator alone, which a training step seeds. Nothing is drawn beyond a recording's
    end, where it stays -inf.

    Args:
        gain: dB by which a recording becomes louder or softer at most.
        shift: share of a recording by which it is moved at most; what leaves at its end comes in at its beginning.
        bands: share of the bands that each of two masks covers at most.
        moments: share of a recording that each of two masks covers at most.

    Reference:
        Park et al. 2019, SpecAugment: masks of frequency and time, filled with the recording's mean; without warping.
    """

    def __init__(
        self, gain: NonNegativeFloat = 6.0, shift: Share = 0.5, bands: Share = 0.15, moments: Share = 0.15
    ) -> None:
        super().__init__()
        self.gain, self.shift, self.bands, self.moments = gain, shift, bands, moments

    def forward(self, decibels: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n mels frames"]:
        """The spectrograms, changed in training."""
        if not self.training:
            return decibels
        present = heard(decibels)
        length = present.sum(1).clamp_min(1)
        found = moved(decibels, length, self.shift)
        found = found + self.gain * (2 * _drawn(decibels) - 1)[:, None, None]
        sound = torch.where(found > -torch.inf, found, 0)
        mean = (sound.sum((1, 2)) / (length * decibels.shape[1]))[:, None, None]
        mels = torch.full_like(length, decibels.shape[1])
        for _ in range(_MASKS):
            found = torch.where(self._masked(decibels.shape[1], mels, self.bands)[:, :, None], mean, found)
            found = torch.where(self._masked(decibels.shape[2], length, self.moments)[:, None, :], mean, found)
        return torch.where(present[:, None] > 0, found, -torch.inf)

    def _masked(self, size: int, length: Float[Tensor, "n"], most: float) -> Tensor:
        """True from a random place on, for at most that share of each row's length."""
        width = (most * _drawn(length) * (length + 1)).floor()
        first = (_drawn(length) * (length - width + 1)).floor()
        place = torch.arange(size, device=length.device)[None]
        return (place >= first[:, None]) & (place < (first + width)[:, None])


def moved(
    values: Float[Tensor, "n channels frames"], length: Float[Tensor, "n"], share: float
) -> Float[Tensor, "n channels frames"]:
    """Each row later or earlier by at most a share of its length; what leaves at its end comes in at its beginning."""
    by = (share * (2 * _drawn(values) - 1) * length).round()
    place = torch.arange(values.shape[2], device=values.device)[None]
    source = torch.where(place < length[:, None], (place - by[:, None]) % length[:, None], place)
    return values.gather(2, source.long()[:, None].expand_as(values))


def _drawn(like: Tensor) -> Float[Tensor, "n"]:
    return torch.rand(len(like), device=like.device)
