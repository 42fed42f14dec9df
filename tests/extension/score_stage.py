"""A score stage in one file, as somebody outside writes it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Share
from closegap.embeddings import EmbeddingSet
from closegap.scores import ScoreStage


@dataclass(eq=False)
class MeanOffset(ScoreStage):
    """Take the mean cosine of two modalities off their scores: what items of them have in common anyway.

    Args:
        amount: how much of it, in [0, 1].
    """

    amount: Share = 1.0

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The mean of each modality's present rows; the product of two means is their mean cosine."""
        return {name: rows[reference.mask(name)].double().mean(0) for name, rows in reference.embeddings.items()}

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores less the mean cosine of their modalities."""
        return scores - self.amount * float(torch.dot(state[query_modality], state[target_modality]))
