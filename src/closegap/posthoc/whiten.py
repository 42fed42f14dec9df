"""Carrying each modality to a common covariance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Share
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import covariance, mean


@dataclass(eq=False)
class Whiten(PostHoc):
    """Centre each modality and give all of them one covariance, with the least movement.

    S_m = (1 - shrinkage) Sigma_m + shrinkage tr(Sigma_m)/d I on the train split, C = mean of the S_m,
    A_m = S_m^-1/2 (S_m^1/2 C S_m^1/2)^1/2 S_m^-1/2, x' = normalise((x - mu_m) A_m). A_m S_m A_m = C, and of all linear
    maps that do this A_m moves rows least. At equal covariances it is `Center`.

    Args:
        shrinkage: how far each covariance is drawn towards a multiple of the identity, in [0, 1]. With fewer rows than
            dimensions it must be above 0; at 1 only the total variances are matched.

    Raises:
        DataError: on fitting, a covariance that cannot be inverted.

    Reference:
        Whitening and re-colouring for domain shift: CORAL, Sun et al. 2016, arXiv:1511.05547, which uses
        S_m^-1/2 C^1/2. We take the optimal transport map between Gaussians instead (Olkin and Pukelsheim 1982), which
        adds no rotation, and the mean covariance as target, so that no modality is the reference.
    """

    order: ClassVar[int] = 6

    shrinkage: Share = 0.1

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """Each modality's mean and map."""
        means = {modality: mean(train, modality) for modality in train.modalities}
        shrunk = {modality: self._shrunk(covariance(train, modality, means[modality])) for modality in means}
        common = torch.stack(list(shrunk.values())).mean(0)
        maps = {modality: _transport(value, common, modality) for modality, value in shrunk.items()}
        state = {f"mean/{modality}": value for modality, value in means.items()}
        return state | {f"map/{modality}": value for modality, value in maps.items()}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows centred, then mapped."""
        return (rows - state[f"mean/{modality}"]) @ state[f"map/{modality}"]

    def _shrunk(self, sigma: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
        round_one = sigma.trace() / len(sigma) * torch.eye(len(sigma), dtype=sigma.dtype)
        return (1 - self.shrinkage) * sigma + self.shrinkage * round_one


def _transport(source: Float[Tensor, "d d"], target: Float[Tensor, "d d"], modality: str) -> Float[Tensor, "d d"]:
    values, vectors = torch.linalg.eigh(source)
    if values[0] <= 1e-12 * max(float(values[-1]), 1e-12):
        raise DataError(
            f"the covariance of {modality} cannot be inverted; whitening needs rows that vary and more of them than "
            "dimensions, or a shrinkage above 0"
        )
    root = (vectors * values.sqrt()) @ vectors.T
    inverse = (vectors / values.sqrt()) @ vectors.T
    values, vectors = torch.linalg.eigh(root @ target @ root)
    result: Tensor = inverse @ ((vectors * values.clamp(min=0).sqrt()) @ vectors.T) @ inverse
    return result
