"""Rotating each modality onto an anchor by its true pairs."""

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
from closegap.posthoc.base.moments import blocks, count

_TIE = 1e-9  # far above float64 noise, far below any singular value that pairs determine


@dataclass(eq=False)
class Procrustes(PostHoc):
    """Turn each modality, rigidly, so that its true pairs come closest to the anchor's.

    x' = x R_m, R_m = argmin over orthogonal R of sum_i ||x_i^m R - x_i^a||^2 = U V^T with U S V^T = X_m^T X_a, over the
    train rows that have both. Cosines inside a modality do not change, and the anchor does not move. Needs many more
    pairs than dimensions to generalise. With fewer, directions that no pair determines are left alone as far as an
    orthogonal map can: of all minimisers we take the one of largest trace, as the limit of U V^T for X_m^T X_a + e I.

    Args:
        anchor: the modality that stays; the first one if None.

    Raises:
        DataError: on fitting, a modality that shares no row with the anchor.

    Reference:
        Schonemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1966. More than two
        modalities each go to the anchor; there is no iteration towards a common mean.
    """

    order: ClassVar[int] = 4

    anchor: str | None = None

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The orthogonal map of each modality but the anchor."""
        anchor = anchor_of(train, self.anchor)
        return {modality: _rotation(train, modality, anchor) for modality in train.modalities if modality != anchor}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows times their modality's map."""
        return rows @ state[modality] if modality in state else rows


def _rotation(train: EmbeddingSet, modality: str, anchor: str) -> Float[Tensor, "d d"]:
    if not count(train, modality, anchor):
        raise DataError(f"no row has both {modality} and {anchor}; Procrustes needs true pairs")
    width = train.embeddings[modality].shape[1]
    cross = torch.zeros(width, width, dtype=torch.float64)
    for source, target in zip(blocks(train, modality, anchor), blocks(train, anchor, modality), strict=True):
        cross.addmm_(source.T, target)
    cross += _TIE * torch.linalg.matrix_norm(cross, 2) * torch.eye(width, dtype=torch.float64)
    left, _, right = torch.linalg.svd(cross)
    rotation: Tensor = left @ right
    return rotation
