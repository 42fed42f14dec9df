"""A control: modalities moved against each other until the own one has its share, nothing scaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.positives import Rows, rows_of
from closegap.scores.base.affine import gain_and_offset, scaled
from closegap.scores.base.best import best_scores, sampled
from closegap.scores.base.stage import ScoreStage, pair

_QUERIES = 4096
_K = 10
_HALVINGS = 40  # of an interval of 4: what float64 can tell


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
        rows = {name: rows_of(reference, name) for name in reference.modalities}
        state = {}
        for query, queries in rows.items():
            asking = sampled(queries, _QUERIES)
            own = best_scores(asking, queries, _K)
            for target, gallery in rows.items():
                found = 0.0 if target == query else _offset(own, best_scores(asking, gallery, _K), queries, gallery)
                state[pair(query, target)] = gain_and_offset(1.0, found)
        return state

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores moved by the offset of their pair of modalities."""
        return scaled(scores, query_modality, target_modality, state)


def _offset(own: Float[Tensor, "q k"], others: Float[Tensor, "q k"], queries: Rows, gallery: Rows) -> float:
    """What to add to the other modality's scores, by bisection: the more is added, the smaller the own share."""
    expected = (len(queries.cases) - 1) / (len(queries.cases) + len(gallery.cases) - 1)
    low, high = -2.0, 2.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        merged = torch.cat([own, others + middle], dim=1)
        top = merged.topk(min(_K, int(merged.isfinite().sum(1).min())), dim=1).indices
        share = float((top < own.shape[1]).double().mean())
        low, high = (middle, high) if share > expected else (low, middle)
    return (low + high) / 2
