"""Health records through a small transformer over their events."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from closegap.bounds import Buckets, Depth, ShareBelowOne, Width
from closegap.errors import UsageError
from closegap.kinds.event import Event
from closegap.kinds.events import EventsKind, latest
from closegap.models.base import Encoder
from closegap.models.towers.hashing import hashed_rows

_WORD = re.compile(r"[a-z]+|\d+")
_TOKENS = 12  # of an event: its code and the first words of what it means and says
_WAVES = 8  # frequencies of the time
_LARGEST = 1e30  # number


EventBatch: TypeAlias = tuple[
    Int[Tensor, "n events tokens two"], Int[Tensor, "n events"], Float[Tensor, "n events"], Float[Tensor, "n events"]
]
"""Prepared events, padded: rows of the table of tokens; the bucket of code and unit, 0 where there is no event; values,
NaN where there is no number; the logarithm of 1 + the minutes before the prediction, NaN where there is no time."""


@dataclass(frozen=True)
class EventPreparer:
    """Health records to hashed tokens, numbers and times; of a long one the latest events."""

    buckets: int
    max_length: int

    def __call__(self, items: Sequence[Sequence[Event]]) -> EventBatch:
        """The batch."""
        kept = [latest(item, self.max_length) for item in items]
        n, width = len(kept), max(1, *map(len, kept)) if kept else 1
        rows, kinds = np.zeros((n, width, _TOKENS, 2), np.int64), np.zeros((n, width), np.int64)
        values, ago = np.full((2, n, width), math.nan, np.float32)
        for i, events in enumerate(kept):
            for j, event in enumerate(events):
                tokens = [hashed_rows(token, self.buckets) for token in _tokens(event)]
                rows[i, j, : len(tokens)] = tokens
                kinds[i, j] = self.kind(event)
                if (number := _number(event)) is not None:
                    values[i, j] = number
                if event.time is not None:
                    ago[i, j] = math.log1p(-event.time / 60)
        return torch.from_numpy(rows), torch.from_numpy(kinds), torch.from_numpy(values), torch.from_numpy(ago)

    def kind(self, event: Event) -> int:
        """The bucket of a code and unit, whose numbers are standardised together."""
        return hashed_rows(f"{event.code} {event.unit or ''}", self.buckets)[0]


class EventsEncoder(Encoder):
    """A small transformer over events, mean-pooled: each the sum of embeddings of its code, words, value and time.

    Numbers are standardised by code and unit, with means and spreads of the training records, hashed like the codes.
    The order of events is what their times say. Codes that were never seen have embeddings like any other.

    Args:
        dim: width of the states.
        layers: transformer layers.
        heads: attention heads.
        max_length: events beyond it are cut, the earliest first.
        buckets: rows of the table that codes and words are hashed into.
        dropout: share of units dropped in training.

    Raises:
        UsageError: a width that the heads do not divide.

    Reference:
        Tipirneni and Reddy 2022, Self-supervised transformer for sparse and irregularly sampled clinical time series
        (STraTS), 2107.14293: an event is the sum of its embeddings. Values and times enter as sines and as z-scores
        in place of one-to-many networks, and words beside the code.
    """

    takes = EventsKind
    fitted = True
    mean: Float[Tensor, "buckets"]
    spread: Float[Tensor, "buckets"]

    def __init__(
        self,
        dim: Width = 128,
        layers: Depth = 1,
        heads: Width = 4,
        max_length: Width = 256,
        buckets: Buckets = 1 << 14,
        dropout: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(f"EventsEncoder.dim: {dim} given, expected a multiple of its {heads} heads")
        self.dim = dim
        self._preparer = EventPreparer(buckets, max_length)
        self.register_buffer("mean", torch.zeros(buckets))
        self.register_buffer("spread", torch.ones(buckets))
        self.tokens = nn.Embedding(buckets, dim, padding_idx=0)
        self.value = nn.Sequential(nn.Linear(2, dim), nn.GELU(), nn.Linear(dim, dim))
        self.time = nn.Linear(2 * _WAVES + 2, dim)
        layer = nn.TransformerEncoderLayer(
            dim, heads, 2 * dim, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = 0.0  # masks over all pairs of events cost more than the layer's matrices on a CPU
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def preparer(self) -> EventPreparer:
        """Hashing."""
        return self._preparer

    def fit(self, items: Iterable[Sequence[Event]]) -> None:
        """Mean and spread of the numbers of each code and unit in the training records."""
        count, mean, squares = np.zeros((3, len(self.mean)))
        for event in chain.from_iterable(items):
            if (number := _number(event)) is not None:
                kind = self._preparer.kind(event)
                count[kind] += 1
                apart = number - mean[kind]
                mean[kind] += apart / count[kind]
                squares[kind] += apart * (number - mean[kind])
        variance = squares / count.clip(1)
        self.mean.copy_(torch.from_numpy(mean))
        self.spread.copy_(torch.from_numpy(np.where(variance > 0, np.sqrt(variance), 1.0)))

    def forward(self, inputs: EventBatch) -> Float[Tensor, "n dim"]:
        """Mean state of the events."""
        rows, kinds, values, ago = inputs
        blank: Bool[Tensor, "n events"] = kinds == 0
        count = (rows[..., 0] != 0).sum(-1, keepdim=True).clamp_min(1)
        states = self.tokens(rows).sum((2, 3)) / count.sqrt()
        known = ~values.isnan()
        standard = ((values.nan_to_num() - self.mean[kinds]) / self.spread[kinds]).masked_fill(~known, 0).clamp(-10, 10)
        states = states + self.value(torch.stack([standard, known.to(standard.dtype)], -1))
        states = states + self.time(_waves(ago))
        # A record without events attends to its padding rather than to nothing, which would be NaN.
        states = self.layers(states, src_key_padding_mask=blank & ~blank.all(1, keepdim=True))
        weights = (~blank).unsqueeze(-1).to(states.dtype)
        pooled: Tensor = (states * weights).sum(1) / weights.sum(1).clamp_min(1)
        return pooled


def _waves(ago: Float[Tensor, "n events"]) -> Float[Tensor, "n events waves"]:
    """Sines and cosines of the logarithm of the time, itself, and whether there is one."""
    known, time = ~ago.isnan(), ago.nan_to_num()
    rates = math.pi / 2 ** torch.arange(_WAVES, dtype=time.dtype, device=time.device)
    angles = time[..., None] * rates
    waves = torch.cat([angles.sin(), angles.cos(), time[..., None] / 10], -1) * known[..., None]
    return torch.cat([waves, known[..., None].to(waves.dtype)], -1)


def _number(event: Event) -> float | None:
    """The value, where it is a number, within what float32 holds."""
    return max(-_LARGEST, min(_LARGEST, float(event.value))) if isinstance(event.value, int | float) else None


def _tokens(event: Event) -> list[str]:
    """The code, and the words of what it means and says, told apart from codes."""
    texts = [event.words or "", event.value if isinstance(event.value, str) else ""]
    words = [f" {word}" for text in texts for word in _WORD.findall(text.lower())]
    return [event.code, *dict.fromkeys(words)][:_TOKENS]
