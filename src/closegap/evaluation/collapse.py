"""Modalities whose rows have been drawn into one point."""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.figure import words

_ONE_POINT = 0.02  # of the spread that unit rows can have


def spread(rows: Float[Tensor, "n d"], present: Bool[Tensor, "n"]) -> float:
    """1 - ||mean row||^2 of the unit rows that are present: 0 where all are one point, 1 where they cancel.

    Example:
        >>> import torch
        >>> rows, present = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]), torch.tensor([True, True, False])
        >>> spread(rows, present), spread(rows, ~present)
        (1.0, 0.0)
    """
    mean = present.to(rows.dtype) @ rows / present.sum()  # a product copies no rows, of which there may be millions
    return 1 - mean.square().sum().item()


def collapse_notes(sets: Mapping[str, EmbeddingSet]) -> list[str]:
    """A line for each arm of which rows of a modality are nearly one point: no search can tell its cases apart."""
    notes = []
    for arm, embeddings in sets.items():
        spreads = {
            name: spread(rows, embeddings.mask(name))
            for name, rows in embeddings.embeddings.items()
            if embeddings.mask(name).sum() > 1
        }
        if found := [f"{words(name)} ({value:.3f})" for name, value in spreads.items() if value < _ONE_POINT]:
            notes.append(
                f"{arm}: all rows of {', '.join(found)} are nearly one point (spread, of 1), and tell no case from "
                "another; a loss that asks for it weighs too much"
            )
    return notes
