"""A control: each query's scores standardised by its own candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.positives import rows_of
from closegap.scores.base.best import sampled
from closegap.scores.base.stage import ScoreStage

_QUERIES = 1024
_QUERIES_AT_ONCE = 64
_LEAST = 1e-6


@dataclass(eq=False)
class ZScore(ScoreStage):
    """Take each query's scores less their mean over their standard deviation, modality by modality; the control.

    mean and standard deviation are over all targets of one modality, most of which are far from the query, so they say
    little of how high a good score is. The result is written in units of the query modality: the geometric mean over
    targets of the mean standard deviation of reference queries.
    """

    order: ClassVar[int] = 3
    control: ClassVar[bool] = True

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The unit of each query modality."""
        rows = {name: rows_of(reference, name) for name in reference.modalities}
        state = {}
        for name, queries in rows.items():
            asking = sampled(queries, _QUERIES).embeddings
            spreads = torch.stack([_spread(asking, gallery.embeddings) for gallery in rows.values()])
            state[name] = spreads.clamp(min=_LEAST).log().mean().exp()
        return state

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores of each query standardised among themselves; what it does not search does not count."""
        searched = scores.isfinite()
        known, number = torch.where(searched, scores, 0.0), searched.sum(1, keepdim=True).clamp(min=1)
        mean = known.sum(1, keepdim=True) / number
        deviations = torch.where(searched, scores - mean, 0.0)
        spread = (deviations.square().sum(1, keepdim=True) / number).sqrt().clamp(min=_LEAST)
        return (scores - mean) * (state[query_modality].to(scores.dtype) / spread)


def _spread(queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"]) -> Float[Tensor, ""]:
    """The mean over queries of the standard deviation of their scores."""
    some = torch.split(queries, _QUERIES_AT_ONCE)
    return torch.cat([(rows @ gallery.T).std(1, correction=0) for rows in some]).double().mean()
