"""A control: modalities moved against each other until the own one has its share, nothing scaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.scores.base.affine import gain_and_offset, scaled
from closegap.scores.base.blind import lists_by_coin
from closegap.scores.base.stage import ScoreStage, pair


@dataclass(eq=False)
class Offset(ScoreStage):
    """Add one offset per pair of modalities, so that the query's own modality has its expected share; the control.

    Scores among the query's own modality stay; those among another move by the offset at which the top ten of reference
    queries hold as many items of their own modality as an index of both that is blind to modality would give. Whatever
    this gains is gained by moving, without a look at how widely scores are spread.
    """

    order: ClassVar[int] = 2
    control: ClassVar[bool] = True

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The offset of each ordered pair, with a gain of 1."""
        state = {}
        for query, target in product(reference.modalities, repeat=2):
            offset = 0.0 if target == query else lists_by_coin(reference, query, target).offset()
            state[pair(query, target)] = gain_and_offset(1.0, offset)
        return state

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores moved by the offset of their pair of modalities."""
        return scaled(scores, query_modality, target_modality, state)
