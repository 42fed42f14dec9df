"""Align True Pairs: pull the embeddings of one case together."""

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.losses.base import Loss
from closegap.losses.centroids import centroids, presence
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import full_precision
from closegap.losses.rows import mean_over_pairs, modality_pairs
from closegap.types import Embeddings, Present


@full_precision
def true_pair_distance(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean of ||a_i - b_i||^2 over the true pairs: 0 when aligned, at most 4 for unit vectors; lower is better.

    Args:
        a: rows of one modality.
        b: rows of the other; row i is the same case as in `a`.

    Returns:
        The mean over rows; 0, with a gradient of 0, for no rows.

    Example:
        >>> import torch
        >>> true_pair_distance(torch.eye(2), torch.eye(2).flip(0)).item()
        2.0

    Reference:
        Grassucci et al., arXiv 2602.20046, Align True Pairs for two modalities.
    """
    return (a - b).square().sum() / max(len(a), 1)


class AlignTruePairs(Loss):
    """Align True Pairs with an anchor modality; the term `align`.

    1/(M-1) sum_{m != a} 1/N sum_i ||z_i^m - z_i^a||^2

    Only pairs of modalities that share a case in the batch are averaged. Alone, this loss is minimal where all
    embeddings coincide; it needs InfoNCE or Centroid Uniformity beside it.

    Args:
        anchor: the modality that the others are pulled to; the first one by default.
        stop_gradient: whether the anchor itself stays where it is, and only the others move.

    Reference:
        Grassucci et al., arXiv 2602.20046. The authors' code has no stop-gradient.
    """

    def __init__(self, anchor: str | None = None, stop_gradient: bool = False) -> None:
        super().__init__()
        self.anchor = anchor
        self.stop_gradient = stop_gradient

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `align`; see `Loss.terms`."""
        value = mean_over_pairs(
            batch,
            lambda a, b, _: true_pair_distance(a.detach() if self.stop_gradient else a, b),
            self.anchor or next(iter(batch.embeddings)),
        )
        return {"align": value}


@full_precision
def centroid_distance(embeddings: Embeddings, present: Present) -> Float[Tensor, ""]:
    """Mean of ||z_i^m - mu_i||^2, mu_i the mean of case i's embeddings: 0 when aligned, at most 1 for unit vectors.

    The mean is over all present embeddings of cases that have two modalities or more. With two modalities this is a
    quarter of `true_pair_distance`.

    Args:
        embeddings: rows by modality.
        present: which rows have a modality; absent rows are never read.

    Returns:
        The mean; 0, with a gradient of 0, when no case has two modalities. Lower is better.

    Example:
        >>> import torch
        >>> centroid_distance({"image": torch.eye(2), "text": torch.eye(2).flip(0)}, {}).item()
        0.5
    """
    masks = presence(embeddings, present)
    masks = masks & (masks.sum(0) > 1)
    mu = centroids(embeddings, present)
    apart = [(rows - mu)[mask].square().sum() for rows, mask in zip(embeddings.values(), masks, strict=True)]
    return torch.stack(apart).sum() / masks.sum().clamp(min=1)


class AlignToCentroid(Loss):
    """Align True Pairs without an anchor: every modality is pulled to the case's centroid; the term `align`.

    1/M sum_m 1/N sum_i ||z_i^m - mu_i||^2, mu_i = 1/M sum_m z_i^m
    """

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `align`; see `Loss.terms`."""
        modality_pairs(batch.embeddings)  # refuses fewer than two modalities
        return {"align": centroid_distance(batch.embeddings, batch.present)}
