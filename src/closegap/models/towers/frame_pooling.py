"""From the features of a clip's frames to those of the clip."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class FramePooling(nn.Module, ABC):
    """What sums up frames.

    Attributes:
        dim: number of features of a clip.
    """

    dim: int

    @abstractmethod
    def forward(self, frames: Float[Tensor, "n frames features"], there: Bool[Tensor, "n frames"]) -> Tensor:
        """Features of each clip.

        Args:
            frames: padded.
            there: which of them are no padding, at least one of a clip.
        """


class MeanPooling(FramePooling):
    """Their mean, in whatever order they came."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dim = features

    def forward(self, frames: Float[Tensor, "n frames features"], there: Bool[Tensor, "n frames"]) -> Tensor:
        """Means over the frames that are there."""
        weights = there.to(frames.dtype)[..., None]
        return (frames * weights).sum(1) / weights.sum(1)


class AttentionPooling(FramePooling):
    """A mean weighted by softmax_t(w . tanh(V h_t)): some frames say more than others, in whatever order they came.

    Reference:
        Ilse et al. 2018, Attention-based deep multiple instance learning, 1802.04712, equation 8.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.dim = features
        self.score = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, frames: Float[Tensor, "n frames features"], there: Bool[Tensor, "n frames"]) -> Tensor:
        """Weighted means over the frames that are there."""
        scores: Tensor = self.score(frames)[..., 0].masked_fill(~there, -torch.inf)
        return (scores.softmax(1)[..., None] * frames).sum(1)


class TransformerPooling(FramePooling):
    """The mean state of a small transformer over the frames and their places: what changes from frame to frame, too."""

    def __init__(self, features: int, width: int, layers: int, heads: int, dropout: float, longest: int) -> None:
        super().__init__()
        self.dim = width
        self.narrow = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width))
        self.places = nn.Parameter(0.02 * torch.randn(longest, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = 0.0  # as in SmallTextEncoder
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.mean = MeanPooling(width)

    def forward(self, frames: Float[Tensor, "n frames features"], there: Bool[Tensor, "n frames"]) -> Tensor:
        """Mean states of the frames that are there."""
        states = self.narrow(frames) + self.places[: frames.shape[1]]
        pooled: Tensor = self.mean(self.layers(states, src_key_padding_mask=~there), there)
        return pooled
