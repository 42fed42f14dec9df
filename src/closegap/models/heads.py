"""Projection heads: from a tower's features to the shared space."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import ShareBelowOne, Width
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.models.recipe import Recorded


class Head(Recorded, nn.Module, ABC):
    """From a tower's features to the shared space.

    Its constructor takes the number of features and the width of the space, and options after them.

    Attributes:
        fitted: whether heads of this class start from the features of the training cases.
    """

    fitted: ClassVar[bool] = False

    @abstractmethod
    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n dim"]:
        """Projected features, not normalised."""

    @classmethod
    def fit(cls, heads: Mapping[str, "Head"], features: EmbeddingSet) -> None:
        """Let the heads of a model's modalities, all of this class, start from the features of its training cases.

        Called once, before the first step, where `fitted` says so.

        Args:
            heads: modality name to head.
            features: unit rows, of whatever width each tower has; one row a case.
        """


class IdentityHead(Head):
    """None: of towers that share a space already, such as both of a CLIP.

    Args:
        features: input features.
        dim: width of the shared space, which is theirs.

    Raises:
        UsageError: another width.
    """

    def __init__(self, features: Width, dim: Width) -> None:
        super().__init__()
        if features != dim:
            raise UsageError(
                f"model.dim: {dim} given, the tower gives {features} features, which IdentityHead leaves as they are; "
                f"set model.dim to {features}, or take another head"
            )

    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n dim"]:
        """The features."""
        return x


class LinearHead(Head):
    """One linear map without bias, as in CLIP.

    Args:
        features: input features.
        dim: width of the shared space.
    """

    def __init__(self, features: Width, dim: Width) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, features))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as nn.Linear starts

    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n dim"]:
        """Projected features, not normalised."""
        return F.linear(x, self.weight)


class MLPHead(Head):
    """Two layers beside a linear shortcut.

    Args:
        features: input features.
        dim: width of the shared space.
        hidden: width of the hidden layer.
        dropout: share of hidden units dropped in training.
    """

    def __init__(self, features: Width, dim: Width, hidden: Width = 1024, dropout: ShareBelowOne = 0.2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.shortcut = nn.Linear(features, dim, bias=False)
        self.expand = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n dim"]:
        """Projected features, not normalised."""
        x = self.norm(x)
        projected: Tensor = self.shortcut(x) + self.contract(self.dropout(F.gelu(self.expand(x))))
        return projected
