"""Scores standardised query by query, then moved until a merge is blind to modality."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Share
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.positives import rows_of
from closegap.scores.base.affine import gain_and_offset, scaled
from closegap.scores.base.best import sampled
from closegap.scores.base.blind import lists_by_coin
from closegap.scores.base.stage import ScoreStage, pair
from closegap.scores.base.z_scores import unit, z_scores

_QUERIES = 1024  # a mean needs no more


@dataclass(eq=False)
class Standardise(ScoreStage):
    """Make scores of several modalities comparable: z-scores of each query, one scale and one location for each pair.

    A query's cosines with all targets of a modality become z-scores: what is high for one query is not for another, as
    far as a model's texts and images are of unlike density. Among targets of the query's own modality these stay; those
    among another are scaled, so that the best of each query vary as widely in both, and moved, so that the own modality
    has the share of the best ten that a merge blind to modality would give it. Scale and location are estimated on
    reference queries; neither labels nor pairs are needed. The result is written near the scale of cosines: in units of
    the query modality, the geometric mean over targets of the mean standard deviation.

    Each part alone is a control: `ZScore`, and `Offset`, which only moves.

    Args:
        strength: how far scale and location go, from 0, z-scores alone, to 1, the full form.

    Reference:
        arXiv:2511.22141, similarity standardisation, has one location and scale of pseudo-positives' cosines. Scores of
        each query first, the location by share and the strength are ours.
    """

    order: ClassVar[int] = 1
    of_z_scores: ClassVar[bool] = True

    strength: Share = 1.0

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The gain and the offset of each ordered pair."""
        rows = {name: rows_of(reference, name) for name in reference.modalities}
        state = {}
        for query, queries in rows.items():
            of_query = float(unit(sampled(queries, _QUERIES), list(rows.values())))
            for target in rows:
                gain, offset = (1.0, 0.0) if target == query else self._moved(reference, query, target)
                state[pair(query, target)] = gain_and_offset(of_query * gain, of_query * offset)
        return state

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Z-scores with the gain and the offset of their pair of modalities."""
        return scaled(scores, query_modality, target_modality, state)

    def _moved(self, reference: EmbeddingSet, query: str, target: str) -> tuple[float, float]:
        lists = lists_by_coin(reference, query, target, seen_as=z_scores)
        gain = lists.gain**self.strength
        return gain, self.strength * lists.offset(gain)
