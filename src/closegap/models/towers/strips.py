"""A transformer over strips of time."""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.errors import UsageError


class StripTransformer(nn.Module):
    """A small transformer over strips, each all channels at some moments, mean-pooled over those that hold any.

    Args:
        channels: of what comes in.
        frames: moments of it.
        strip: moments in a strip.
        dim: width of the states.
        layers: transformer layers.
        heads: attention heads.
        dropout: share of units dropped in training.
        name: of the tower, for errors.

    Raises:
        UsageError: a width that the heads do not divide.
    """

    def __init__(
        self, channels: int, frames: int, strip: int, dim: int, layers: int, heads: int, dropout: float, name: str
    ) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(f"{name}.dim: {dim} given, expected a multiple of its {heads} heads")
        self.strip = strip
        self.strips = nn.Linear(channels * strip, dim)
        self.places = nn.Parameter(0.02 * torch.randn(-(-frames // strip), dim))
        layer = nn.TransformerEncoderLayer(
            dim, heads, 2 * dim, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = 0.0  # as in SmallTextEncoder
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(
        self, values: Float[Tensor, "n channels frames"], mask: Float[Tensor, "n frames"]
    ) -> Float[Tensor, "n dim"]:
        """Mean state of the strips in which `mask` is 1 anywhere."""
        beyond = len(self.places) * self.strip - values.shape[2]
        mask = F.pad(mask, (0, beyond)).view(len(values), -1, self.strip).amax(2)
        cells = F.pad(values, (0, beyond)).view(*values.shape[:2], -1, self.strip)
        states = self.strips(cells.permute(0, 2, 1, 3).flatten(2)) + self.places
        states = self.layers(states, src_key_padding_mask=mask == 0)
        pooled: Tensor = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        return pooled
