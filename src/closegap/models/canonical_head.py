"""A head that begins as a canonical map."""

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import NonNegativeFloat, Power, ShareBelowOne, Width
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.models.heads import Head
from closegap.posthoc.canonical import Canonical


class CanonicalHead(Head):
    """The canonical map of the training features, which stays, and a residual whose last layer starts at zero.

    Before the first step all modalities' heads are the map that `Canonical` fits on the features of the training cases:
    with `train.steps: 0` that is the model. Training moves the residual alone, into directions beyond the map's, too.

    Args:
        features: input features.
        dim: width of the shared space; the map fills as many dimensions as it has variates, at most all.
        hidden: width of the residual's hidden layer.
        dropout: share of hidden units dropped in training.
        ridge: see `Canonical`, chosen inside the training cases if None; so is `power`.
        power: see `Canonical`.
    """

    fitted: ClassVar[bool] = True

    mean: Float[Tensor, "features"]
    map: Float[Tensor, "features dim"]

    def __init__(
        self,
        features: Width,
        dim: Width,
        hidden: Width = 1024,
        dropout: ShareBelowOne = 0.2,
        ridge: NonNegativeFloat | None = None,
        power: Power | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("map", torch.zeros(features, dim))
        self.ridge, self.power = ridge, power
        self.norm = nn.LayerNorm(features)
        self.expand = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(hidden, dim)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n dim"]:
        """Projected features, not normalised: the map's are of unit norm, the residual's as long as it likes."""
        mapped = F.normalize((F.normalize(x, dim=-1) - self.mean) @ self.map, dim=-1)
        projected: Tensor = mapped + self.contract(self.dropout(F.gelu(self.expand(self.norm(x)))))
        return projected

    @classmethod
    def fit(cls, heads: Mapping[str, Head], features: EmbeddingSet) -> None:
        """See `Head`.

        Raises:
            DataError: see `Canonical`.
        """
        first = next(iter(heads.values()))
        assert isinstance(first, cls)
        state = Canonical(ridge=first.ridge, power=first.power, keep=0.0).fit(features).fitted
        assert state is not None
        for name, head in heads.items():
            assert isinstance(head, cls)
            found = state.state[f"map/{name}"][:, : head.map.shape[1]]
            head.mean.copy_(state.state[f"mean/{name}"])
            head.map.zero_()[:, : found.shape[1]] = found
