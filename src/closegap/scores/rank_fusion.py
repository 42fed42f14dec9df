"""A control: separate indexes, whose lists are merged by rank alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.scores.base.stage import ScoreStage

_K = 60


@dataclass(eq=False)
class RankFusion(ScoreStage):
    """Score an item by its rank among the items of its modality: s' = 61 / (60 + rank); the control.

    The merged list takes the best item of each modality, then the second of each: the fusion of separate indexes by
    reciprocal rank, where every item is in one list alone. Neither how good a score is counts, nor how many items a
    modality has. Equal scores have one rank. In float32 neighbours beyond rank 7,000 are ties.

    Reference:
        Cormack, Clarke, Buettcher, Reciprocal rank fusion, SIGIR 2009, with their constant k = 60, times k + 1. Lists
        that share no item are merged alike by any k.
    """

    order: ClassVar[int] = 4
    control: ClassVar[bool] = True

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """Nothing."""
        del reference
        return {}

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """The reciprocal ranks; -inf, what a query does not search, stays out."""
        del query_modality, target_modality, state
        ascending = scores.sort(dim=1).values
        rank = 1 + scores.shape[1] - torch.searchsorted(ascending, scores.contiguous(), right=True)
        reciprocal = ((_K + 1) / (_K + rank.double())).to(scores.dtype)
        return reciprocal.where(scores > -torch.inf, -torch.inf)
