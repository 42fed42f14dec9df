"""A post-hoc method in one file, as somebody outside writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.posthoc import PostHoc, Sweep


@dataclass(eq=False)
class MedianShift(PostHoc):
    """Subtract each modality's median, which a few outliers do not move: x' = normalise(x - amount median_m).

    Args:
        amount: how much of the median, in [0, 1].
    """

    sweep: ClassVar[Sweep | None] = Sweep("amount", (0.0, 0.5, 1.0))

    amount: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1:
            raise UsageError(f"amount {self.amount}; expected a share in [0, 1]")

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The median of each modality's present rows."""
        return {
            name: torch.quantile(rows[train.mask(name)].double(), 0.5, dim=0) for name, rows in train.embeddings.items()
        }

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows less their modality's median."""
        return rows - self.amount * state[modality]
