"""Structured records: numbers, categories and blanks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.bounds import Buckets, ShareBelowOne, Width
from closegap.errors import UsageError
from closegap.kinds.record import RecordKind
from closegap.models.base import Encoder
from closegap.models.described import Input, Preparation
from closegap.models.towers.hashing import HASH, hashed_rows

Record = Mapping[str, float | str | None]


@dataclass(frozen=True)
class RecordPreparer:
    """Records to numbers (NaN where blank) and hashed categories (a blank is a category of its own)."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    buckets: int

    def __call__(self, items: Sequence[Record]) -> tuple[Float[Tensor, "n numbers"], Int[Tensor, "n categories two"]]:
        """The batch."""
        numbers = [[_number(item.get(column)) for column in self.numeric] for item in items]
        rows = [[hashed_rows(f"{c}={item.get(c)}", self.buckets) for c in self.categorical] for item in items]
        return (
            torch.tensor(numbers, dtype=torch.float32).reshape(len(items), len(self.numeric)),
            torch.tensor(rows, dtype=torch.long).reshape(len(items), len(self.categorical), 2),
        )

    @property
    def examples(self) -> Sequence[Record]:
        """A full record and a blank one."""
        full: Record = {**dict.fromkeys(self.numeric, 1.0), **dict.fromkeys(self.categorical, "a")}
        return [full, {}]

    def described(self, folder: Path) -> Preparation:
        """Columns and hashing."""
        del folder
        steps = {
            "numeric": list(self.numeric),
            "blank": "NaN",
            "categorical": list(self.categorical),
            "token": "COLUMN=VALUE, COLUMN=None where blank",
            "hash": HASH,
            "rows": self.buckets,
        }
        numbers = Input("numbers", "float32", ("n", len(self.numeric)))
        return Preparation((numbers, Input("categories", "int64", ("n", len(self.categorical), 2))), steps)


class RecordEncoder(Encoder):
    """Standardised numbers with their blanks marked, category embeddings, and an MLP over both.

    Args:
        numeric: columns of numbers; a blank becomes the training mean and a set flag.
        categorical: columns of categories.
        dim: output features.
        hidden: width of the MLP.
        dropout: share of hidden units dropped in training.
        buckets: rows of the table that categories are hashed into.

    Raises:
        UsageError: no column at all.
    """

    takes = RecordKind
    fitted = True
    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        dim: Width = 128,
        hidden: Width = 256,
        dropout: ShareBelowOne = 0.1,
        buckets: Buckets = 4096,
    ) -> None:
        super().__init__()
        if not numeric and not categorical:
            raise UsageError("a tabular encoder needs columns: name some under numeric or categorical")
        self.dim = dim
        self._preparer = RecordPreparer(tuple(numeric), tuple(categorical), buckets)
        self.register_buffer("mean", torch.zeros(len(numeric)))
        self.register_buffer("spread", torch.ones(len(numeric)))
        self.categories = nn.Embedding(buckets, 16, padding_idx=0)
        width = 2 * len(numeric) + 16 * len(categorical)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim), nn.LayerNorm(dim)
        )

    def preparer(self) -> Callable[[Sequence[Record]], Any]:
        """Reading of columns."""
        return self._preparer

    def fit(self, items: Iterable[Record]) -> None:
        """Mean and spread of every numeric column over the training records that have it."""
        numbers = self._preparer(list(items))[0].double()  # in float32 a constant column would seem to vary
        known = ~numbers.isnan()
        count = known.sum(0)
        mean = numbers.nan_to_num().sum(0) / count.clamp_min(1)
        variance = ((numbers - mean).nan_to_num() ** 2).sum(0) / count.clamp_min(1)
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance)))

    def forward(
        self, inputs: tuple[Float[Tensor, "n numbers"], Int[Tensor, "n categories two"]]
    ) -> Float[Tensor, "n dim"]:
        """Features of the records."""
        numbers, rows = inputs
        blank = numbers.isnan()
        standard = ((numbers.nan_to_num() - self.mean) / self.spread).masked_fill(blank, 0.0).clamp(-10, 10)
        categories = self.categories(rows).sum(2).flatten(1)
        features: Tensor = self.mlp(torch.cat([standard, blank.to(standard.dtype), categories], dim=1))
        return features


def _number(value: float | str | None) -> float:
    return math.nan if value is None or isinstance(value, str) else float(value)
