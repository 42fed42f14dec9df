"""What is done to signals at random while a tower is trained on them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import NonNegativeFloat, Share, ShareBelowOne
from closegap.models.towers.signal_preparer import recorded
from closegap.models.towers.spectrogram_noise import moved


class SignalNoise(nn.Module):
    """Noisier, later or earlier, and without some leads; as it is in evaluation.

    What is drawn depends on torch's generator alone, which a training step seeds. What is NaN stays so.

    Args:
        noise: deviation of the noise that is added, in deviations of each lead.
        shift: share of a signal by which it is moved at most; what leaves at its end comes in at its beginning.
        dropped: probability of a lead to be left out; of a signal without any other, none is.
    """

    def __init__(self, noise: NonNegativeFloat = 0.05, shift: Share = 0.2, dropped: ShareBelowOne = 0.1) -> None:
        super().__init__()
        self.noise, self.shift, self.dropped = noise, shift, dropped

    def forward(self, values: Float[Tensor, "n leads frames"]) -> Float[Tensor, "n leads frames"]:
        """The signals, changed in training."""
        if not self.training:
            return values
        places = torch.arange(1, values.shape[2] + 1, device=values.device)
        length = (recorded(values) * places).amax(1).clamp_min(1)
        found = moved(values, length, self.shift)
        known = ~found.isnan()
        count = known.sum(2, keepdim=True).clamp_min(1)
        mean = found.nan_to_num().sum(2, keepdim=True) / count
        deviation = (((found - mean).nan_to_num().square().sum(2, keepdim=True)) / count).sqrt()
        found = found + self.noise * deviation * torch.randn_like(values)
        kept = (torch.rand(values.shape[:2], device=values.device) >= self.dropped) & known.any(2)
        kept = kept | ~kept.any(1, keepdim=True)
        return torch.where(kept[:, :, None], found, torch.nan)
