"""Small towers trained from scratch: for the demo, and for data far from any pretrained tower."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from closegap.bounds import Buckets, Depth, ShareBelowOne, Side, Width
from closegap.errors import UsageError
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.described import Input, Preparation
from closegap.models.towers.hashing import HASH, hashed_rows
from closegap.models.towers.image_preparer import ImagePreparer

_GROUPS = 8  # of the normalised channels
_WORD = re.compile(r"[a-z]+|\d+|[^\sa-z\d]")


class SmallImageEncoder(Encoder):
    """A convolutional tower on grey images.

    Args:
        size: side of the input in pixels.
        widths: channels of each stage; every stage halves the side.
        grid: side of the grid of cells that is kept, since where a finding lies matters.

    Raises:
        UsageError: widths that do not divide into groups, or more stages than the side can be halved.
    """

    takes = ImageKind
    one_shape = True

    def __init__(self, size: Side = 96, widths: Sequence[Width] = (24, 48, 96, 160), grid: Side = 3) -> None:
        super().__init__()
        if not widths or any(width % _GROUPS for width in widths[:-1]):
            raise UsageError(f"SmallImageEncoder.widths: {list(widths)} given, expected multiples of {_GROUPS}")
        if size < (least := 2 ** (len(widths) + 1)):
            raise UsageError(f"SmallImageEncoder.size: {size} given, expected {least} or more for {len(widths)} widths")
        self.size = size
        stem = nn.Sequential(nn.Conv2d(1, widths[0], 4, stride=4), nn.GroupNorm(1, widths[0]))
        self.stages = nn.Sequential(stem, *[_Stage(a, b) for a, b in pairwise(widths)], nn.AdaptiveAvgPool2d(grid))
        self.dim = widths[-1] * grid * grid
        self.norm = nn.LayerNorm(self.dim)

    def preparer(self) -> ImagePreparer:
        """Decoding, padding, resizing."""
        return ImagePreparer(self.size)

    def forward(self, inputs: UInt8[Tensor, "n 3 size size"]) -> Float[Tensor, "n dim"]:
        """Features on the grid."""
        features: Tensor = self.norm(self.grid(inputs).flatten(1))
        return features

    def grid(self, inputs: UInt8[Tensor, "n 3 size size"]) -> Float[Tensor, "n channels grid grid"]:
        """The last stage's output."""
        grey = inputs.float().mean(1, keepdim=True) / 127.5 - 1
        cells: Tensor = self.stages(grey)
        return cells


class _Stage(nn.Module):
    """A residual block, then half the side."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(before, before, 3, padding=1),
            nn.GroupNorm(_GROUPS, before),
            nn.GELU(),
            nn.Conv2d(before, before, 3, padding=1),
        )
        self.down = nn.Sequential(nn.GroupNorm(_GROUPS, before), nn.GELU(), nn.Conv2d(before, after, 2, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        down: Tensor = self.down(x + self.block(x))
        return down


@dataclass(frozen=True)
class WordPreparer:
    """Strings to hashed words, padded."""

    buckets: int
    max_length: int

    def __call__(self, items: Sequence[str]) -> Int[Tensor, "n words two"]:
        """The batch."""
        texts = [_WORD.findall(item.lower())[: self.max_length] for item in items]
        width = max(1, *map(len, texts)) if texts else 1
        rows = [[hashed_rows(w, self.buckets) for w in words] + [(0, 0)] * (width - len(words)) for words in texts]
        return torch.tensor(rows, dtype=torch.long).reshape(len(items), width, 2)

    @property
    def examples(self) -> Sequence[str]:
        """A short text and a longer one."""
        return ["No effusion.", "A large effusion on the left, and a nodule in the right lung."]

    def described(self, folder: Path) -> Preparation:
        """Splitting into words and hashing."""
        del folder
        steps = {
            "lower": True,
            "words": _WORD.pattern,
            "max_length": self.max_length,
            "hash": HASH,
            "rows": self.buckets,
            "pad": [0, 0],
        }
        return Preparation((Input("words", "int64", ("n", "tokens", 2)),), steps)


class SmallTextEncoder(Encoder):
    """A small transformer over hashed words, mean-pooled.

    Args:
        dim: width of the states.
        layers: transformer layers.
        heads: attention heads.
        max_length: words beyond it are cut.
        buckets: rows of the table that words are hashed into.
        dropout: share of units dropped in training.

    Raises:
        UsageError: a width that the heads do not divide.
    """

    takes = TextKind

    def __init__(
        self,
        dim: Width = 128,
        layers: Depth = 1,
        heads: Width = 4,
        max_length: Width = 96,
        buckets: Buckets = 1 << 14,
        dropout: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(f"SmallTextEncoder.dim: {dim} given, expected a multiple of its {heads} heads")
        self.dim = dim
        self._preparer = WordPreparer(buckets, max_length)
        self.words = nn.Embedding(buckets, dim, padding_idx=0)
        self.places = nn.Parameter(0.02 * torch.randn(max_length, dim))
        layer = nn.TransformerEncoderLayer(
            dim, heads, 2 * dim, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = 0.0  # masks over all pairs of words cost more than the layer's matrices on a CPU
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def preparer(self) -> Callable[[Sequence[str]], Tensor]:
        """Splitting into words and hashing."""
        return self._preparer

    def forward(self, inputs: Int[Tensor, "n words two"]) -> Float[Tensor, "n dim"]:
        """Mean state of the words."""
        blank = inputs[..., 0] == 0
        states = self.words(inputs).sum(2) + self.places[: inputs.shape[1]]
        # A text without words attends to its padding rather than to nothing, which would be NaN.
        states = self.layers(states, src_key_padding_mask=blank & ~blank.all(1, keepdim=True))
        weights = (~blank).unsqueeze(-1).to(states.dtype)
        pooled: Tensor = (states * weights).sum(1) / weights.sum(1).clamp_min(1)
        return pooled
