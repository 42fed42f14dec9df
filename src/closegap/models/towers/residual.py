"""Residual blocks of small convolutional towers, in which padding counts nowhere."""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn


class Stage(nn.Module):
    """A residual block, then half of each side; normalised at each place, so that padding counts nowhere.

    Args:
        before: channels that come in.
        after: channels that go out.
        convolution: over one side or two.
        kernel: odd width of the block's convolutions.
    """

    def __init__(self, before: int, after: int, convolution: type[Any] = nn.Conv2d, kernel: int = 3) -> None:
        super().__init__()
        self.first, self.second, self.third = (_ChannelNorm(before) for _ in range(3))
        self.one = convolution(before, before, kernel, padding=kernel // 2)
        self.two = convolution(before, before, kernel, padding=kernel // 2)
        self.down = convolution(before, after, 2, stride=2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The next stage's cells; `mask` is 1 where the last side is no padding."""
        inner = F.gelu(self.second(self.one(self.first(x) * mask))) * mask
        x = x + self.two(inner) * mask
        down: Tensor = self.down(F.gelu(self.third(x)) * mask)
        return down


class _ChannelNorm(nn.LayerNorm):
    """Over the channels of each place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def shorter(mask: Float[Tensor, "n ... frames"], by: int) -> Float[Tensor, "n ... fewer"]:
    """The mask of moments that each cover `by` of those before, and count where any does."""
    found: Tensor = mask.reshape(*mask.shape[:-1], -1, by).amax(-1)
    return found
