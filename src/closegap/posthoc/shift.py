"""Shifting the modalities towards their common mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Share
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.posthoc.base.anchor import anchor_of
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import offsets
from closegap.posthoc.base.sweep import Sweep


@dataclass(eq=False)
class Shift(PostHoc):
    """Close a fraction of the gap by translating each modality towards the common mean.

    x' = normalise(x - fraction (mu_m - mu)), mu_m: train mean of modality m, mu: mean of the mu_m. At fraction 1 the
    train means coincide before normalising; at 0 nothing moves.

    Args:
        fraction: how much of the gap, in [0, 1]. For two modalities the authors' lambda is half of it: they add and
            subtract lambda times the whole mean difference.
        anchor: the modality that stays, to whose mean the others go; None: all go to the common mean.

    Reference:
        Liang et al., Mind the gap, NeurIPS 2022, arXiv:2203.02053, section 4.3. More than two modalities are ours.
    """

    order: ClassVar[int] = 1
    sweep: ClassVar[Sweep | None] = Sweep("fraction", (0.0, 0.25, 0.5, 0.75, 1.0))

    fraction: Share = 1.0
    anchor: str | None = None

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """Each modality's train mean, seen from where it should be."""
        found = offsets(train)
        if self.anchor is None:
            return found
        held = found[anchor_of(train, self.anchor)]
        return {modality: offset - held for modality, offset in found.items()}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows less the fraction of their modality's offset."""
        return rows - self.fraction * state[modality]
