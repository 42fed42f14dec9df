"""What metrics ask of a score stage."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Stage(Protocol):
    """A fitted `closegap.scores.ScoreStage`, as far as an index of several modalities needs it."""

    def adjusted(self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str) -> Float[Tensor, "q t"]:
        """What the scores of some queries of one modality against all items of one modality become, to be merged."""
