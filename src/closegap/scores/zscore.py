"""A control: each query's scores standardised by its own candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.positives import rows_of
from closegap.scores.base.best import sampled
from closegap.scores.base.stage import ScoreStage
from closegap.scores.base.z_scores import unit

_QUERIES = 1024


@dataclass(eq=False)
class ZScore(ScoreStage):
    """Take each query's scores less their mean over their standard deviation, modality by modality; the control.

    mean and standard deviation are over all targets of one modality, most of which are far from the query, so they say
    little of how high a good score is. The result is written in units of the query modality: the geometric mean over
    targets of the mean standard deviation of reference queries.
    """

    order: ClassVar[int] = 3
    control: ClassVar[bool] = True
    of_z_scores: ClassVar[bool] = True

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The unit of each query modality."""
        rows = {name: rows_of(reference, name) for name in reference.modalities}
        return {name: unit(sampled(queries, _QUERIES), list(rows.values())) for name, queries in rows.items()}

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Z-scores in the unit of their query modality."""
        return scores * state[query_modality].to(scores.dtype)
