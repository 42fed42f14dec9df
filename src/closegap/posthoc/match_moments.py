"""Carrying every modality to an anchor's mean and standard deviation, dimension by dimension."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.posthoc.base.anchor import anchor_of
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import mean, variance

_STILL = 1e-12  # of unit rows; below it a variance is rounding


@dataclass(eq=False)
class MatchMoments(PostHoc):
    """Give every modality the anchor's mean and standard deviation in each dimension.

    x' = normalise(mu_a + (sigma_a / sigma_m) * (x - mu_m)), all by dimension, estimated on the train split. The anchor
    does not move, and no pairs are needed. Unlike `ReAlign`, which matches one scale for all dimensions, it depends on
    the axes: in a rotated space it is another map. A dimension in which a modality does not vary is only shifted.

    Args:
        anchor: the modality that stays; the first one if None.

    Raises:
        DataError: on fitting, a modality whose rows are all equal, so that no scale matches its variance.

    Reference:
        arXiv:2512.04309 (TOMCap), there from texts (m) to images (a) before a decoder is trained. The normalisation is
        ours: our rows are unit-norm.
    """

    order: ClassVar[int] = 4

    anchor: str | None = None

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The anchor's mean; each other modality's mean and scales."""
        anchor = anchor_of(train, self.anchor)
        means = {modality: mean(train, modality) for modality in train.modalities}
        variances = {modality: variance(train, modality, means[modality]) for modality in train.modalities}
        state = {"anchor": means[anchor]}
        for modality, found in variances.items():
            if found.max() < _STILL:
                raise DataError(f"all rows of {modality} are equal; MatchMoments needs rows that vary")
            if modality != anchor:
                scale = torch.where(found < _STILL, 1.0, (variances[anchor] / found).sqrt())
                state |= {f"mean/{modality}": means[modality], f"scale/{modality}": scale}
        return state

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows scaled around the anchor's mean."""
        if f"mean/{modality}" not in state:
            return rows
        return state["anchor"] + state[f"scale/{modality}"] * (rows - state[f"mean/{modality}"])
