"""Projecting the mean differences out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import offsets

_NO_GAP = 1e-7  # a mean difference below float32's resolution has a length but no direction


@dataclass(eq=False)
class ProjectOut(PostHoc):
    """Remove the subspace in which the modalities' means differ.

    x' = normalise(x - Q Q^T x), Q an orthonormal basis of the train means' differences: one direction for two
    modalities, at most M - 1 for M. Where there is no gap nothing moves. Unlike `Shift` it also deletes what the rows
    of one modality tell along these directions.

    Reference:
        The mean-difference case of linear concept erasure: Bolukbasi et al. 2016, arXiv:1607.06520 (one direction);
        Ravfogel et al. 2020, arXiv:2004.07667 (several, there found by classifiers).
    """

    order: ClassVar[int] = 5

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The basis, as rows."""
        _, lengths, directions = torch.linalg.svd(torch.stack(list(offsets(train).values())), full_matrices=False)
        return {"directions": directions[lengths > _NO_GAP]}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows less their part in the subspace."""
        return rows - rows @ state["directions"].T @ state["directions"]
