"""Sets of concepts (UMLS CUIs, tags, codes) through a bag of embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.bounds import Buckets, ShareBelowOne, Width
from closegap.kinds.codes import CodesKind
from closegap.models.base import Encoder
from closegap.models.described import Input, Preparation
from closegap.models.towers.hashing import HASH, hashed_rows


@dataclass(frozen=True)
class CodePreparer:
    """Concept sets to padded rows of the embedding table."""

    buckets: int

    def __call__(self, items: Sequence[Sequence[str]]) -> Int[Tensor, "n rows"]:
        """The batch; order and repetition of concepts do not matter."""
        sets = [[row for concept in sorted(set(item)) for row in hashed_rows(concept, self.buckets)] for item in items]
        width = max(1, *map(len, sets)) if sets else 1
        return torch.tensor([row + [0] * (width - len(row)) for row in sets], dtype=torch.long).reshape(-1, width)

    @property
    def examples(self) -> Sequence[Sequence[str]]:
        """A set of one and a set of three."""
        return [("C0032227",), ("C0032227", "C0024109", "C0039985")]

    def described(self, folder: Path) -> Preparation:
        """Hashing."""
        del folder
        steps = {"order": "sorted, each once", "hash": HASH, "rows": self.buckets, "pad": 0}
        return Preparation((Input("codes", "int64", ("n", "codes")),), steps)


class CodeSetEncoder(Encoder):
    """Sum of the concepts' embeddings over the square root of their number, so that set size does not set the scale.

    Args:
        dim: features of an embedding.
        buckets: rows of the embedding table that concepts are hashed into.
        dropout: share of features dropped in training.
    """

    takes = CodesKind

    def __init__(self, dim: Width = 256, buckets: Buckets = 1 << 15, dropout: ShareBelowOne = 0.1) -> None:
        super().__init__()
        self.dim = dim
        self.table = nn.Embedding(buckets, dim, padding_idx=0)
        self.dropout = nn.Dropout(dropout)

    def preparer(self) -> Callable[[Sequence[Sequence[str]]], Tensor]:
        """Hashing."""
        return CodePreparer(self.table.num_embeddings)

    def forward(self, inputs: Int[Tensor, "n rows"]) -> Float[Tensor, "n dim"]:
        """Bag features."""
        count = (inputs != 0).sum(1, keepdim=True).clamp_min(1)
        bag: Tensor = self.dropout(self.table(inputs).sum(1) / count.sqrt())
        return bag
