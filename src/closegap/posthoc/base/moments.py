"""Means, variances and covariances of a modality in float64, a block of rows at a time."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet

_BLOCK = 8192  # 32 MiB of float64 at 512 dimensions


def blocks(embeddings: EmbeddingSet, modality: str, also: str | None = None) -> Iterator[Float[Tensor, "b d"]]:
    """The present rows of `modality` in float64, a few thousand at a time; with `also`, rows that have both."""
    mask = embeddings.mask(modality)
    if also is not None:
        mask = mask & embeddings.mask(also)
    for rows in torch.split(mask.nonzero()[:, 0], _BLOCK):
        yield embeddings.embeddings[modality][rows].double()


def count(embeddings: EmbeddingSet, modality: str, also: str | None = None) -> int:
    """How many rows `blocks` yields in all."""
    mask = embeddings.mask(modality)
    return int((mask if also is None else mask & embeddings.mask(also)).sum())


def mean(embeddings: EmbeddingSet, modality: str) -> Float[Tensor, "d"]:
    """Mean of the present rows of `modality`."""
    return torch.stack([block.sum(0) for block in blocks(embeddings, modality)]).sum(0) / count(embeddings, modality)


def variance(embeddings: EmbeddingSet, modality: str, center: Float[Tensor, "d"]) -> Float[Tensor, "d"]:
    """Mean of (x - center)^2 over the present rows of `modality`, dimension by dimension."""
    total = torch.zeros_like(center)
    for block in blocks(embeddings, modality):
        total += (block - center).square().sum(0)
    return total / count(embeddings, modality)


def covariance(embeddings: EmbeddingSet, modality: str, center: Float[Tensor, "d"]) -> Float[Tensor, "d d"]:
    """Mean of (x - center)(x - center)^T over the present rows of `modality`."""
    total = torch.zeros(len(center), len(center), dtype=torch.float64)
    for block in blocks(embeddings, modality):
        total.addmm_((block - center).T, block - center)
    return total / count(embeddings, modality)


def offsets(embeddings: EmbeddingSet) -> dict[str, Float[Tensor, "d"]]:
    """mu_m - mean over modalities of mu: where each modality sits, seen from the common mean."""
    means = {modality: mean(embeddings, modality) for modality in embeddings.modalities}
    common = torch.stack(list(means.values())).mean(0)
    return {modality: value - common for modality, value in means.items()}
