"""Centroids of cases over the modalities they have."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.losses.precision import full_precision
from closegap.types import Embeddings, Present


@full_precision
def centroids(embeddings: Embeddings, present: Present) -> Float[Tensor, "n d"]:
    """Mean of each case's present embeddings; a row of zeros for a case that has none.

    Args:
        embeddings: rows by modality.
        present: which rows have a modality; absent rows are never read.

    Returns:
        One row per case, of length at most 1 for unit-norm embeddings and 1 where they coincide.

    Example:
        >>> import torch
        >>> centroids({"image": torch.eye(2), "text": torch.eye(2).flip(0)}, {})[0].tolist()
        [0.5, 0.5]
    """
    kept = [
        torch.where(present[name][:, None], rows, 0.0) if name in present else rows for name, rows in embeddings.items()
    ]
    return sum(kept[1:], start=kept[0]) / presence(embeddings, present).sum(0).clamp(min=1)[:, None]


def presence(embeddings: Embeddings, present: Present) -> Bool[Tensor, "m n"]:
    """One row per modality: the cases that have it."""
    return torch.stack(
        [
            present[name] if name in present else torch.ones(len(rows), dtype=torch.bool, device=rows.device)
            for name, rows in embeddings.items()
        ]
    )
