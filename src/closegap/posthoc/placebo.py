"""A shift that closes nothing: the arm that keeps claims honest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Seed
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import offsets


@dataclass(eq=False)
class Placebo(PostHoc):
    """Move the modalities as far as `Shift` does at fraction 1, in random directions.

    x' = normalise(x - r_m). The r_m are the train means' offsets mu_m - mu turned by a random orthogonal map: their
    lengths and the angles between them are the real ones, and between two modalities the difference is a random vector
    of the gap's length. What this arm gains too, was not gained by closing the gap.

    Args:
        seed: of the random directions.
    """

    control: ClassVar[bool] = True

    seed: Seed = 0

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The random offset of each modality."""
        real = offsets(train)
        left, lengths, right = torch.linalg.svd(torch.stack(list(real.values())), full_matrices=False)
        generator = torch.Generator().manual_seed(self.seed)
        directions, _ = torch.linalg.qr(torch.randn(right.T.shape, generator=generator, dtype=torch.float64))
        turned = (left * lengths) @ directions.T
        return dict(zip(real, turned.clone(), strict=True))

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows less their modality's random offset."""
        return rows - state[modality]
