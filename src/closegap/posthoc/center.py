"""Centring each modality."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import mean


@dataclass(eq=False)
class Center(PostHoc):
    """Subtract each modality's own mean: x' = normalise(x - mu_m), mu_m the train mean of modality m.

    Unlike `Shift` this also takes away what the modalities' means have in common, the cone.

    Reference:
        GR-CLIP, arXiv:2507.19054; I0T-post, arXiv:2412.14384. Both as published; they name images and texts.
    """

    order: ClassVar[int] = 2

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """Each modality's train mean."""
        return {modality: mean(train, modality) for modality in train.modalities}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows less their modality's mean."""
        return rows - state[modality]
