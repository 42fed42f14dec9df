"""What metrics ask of a calibration."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.population import Judged
from closegap.metrics.stage import Stage


@runtime_checkable
class Calibrator(Protocol):
    """A fitted `closegap.calibration.Calibration`, as far as it is measured."""

    @property
    def stage(self) -> Stage | None:
        """What cosines go through first."""

    def judged(self, embeddings: EmbeddingSet) -> Judged:
        """What counts as relevant in a set."""

    def probability(
        self,
        scores: Float[Tensor, "*s"],
        query_modality: str,
        target_modality: str,
        *,
        candidates: float | None = None,
    ) -> Float[Tensor, "*s"]:
        """The probability that a target with a score is relevant, among so many candidates."""

    def threshold(self, query_modality: str, target_modality: str, alpha: float) -> float:
        """The lowest score inside an answer set that holds a relevant item with probability 1 - alpha."""
