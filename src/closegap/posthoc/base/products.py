"""Sums of products between modalities, from which every second-order method is estimated, in one pass over the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet

_BLOCK = 8192  # 32 MiB of float64 at 512 dimensions

Pair = tuple[str, str]


@dataclass(frozen=True)
class Products:
    """Sums in float64 over the rows that have both modalities of a pair; a pair stands once, in the set's order.

    Args:
        counts: how many rows.
        firsts: sum of the rows of the first modality.
        seconds: sum of those of the second.
        crossed: sum of x_a^T x_b.
    """

    counts: Mapping[Pair, int]
    firsts: Mapping[Pair, Float[Tensor, "_"]]
    seconds: Mapping[Pair, Float[Tensor, "_"]]
    crossed: Mapping[Pair, Float[Tensor, "_ _"]]

    def mean(self, modality: str) -> Float[Tensor, "d"]:
        """Mean of the rows of a modality."""
        pair = (modality, modality)
        return self.firsts[pair] / self.counts[pair]

    def covariance(self, a: str, b: str) -> Float[Tensor, "d e"]:
        """Covariance of two modalities over the rows that have both: mean of (x_a - mean)^T (x_b - mean)."""
        pair = (a, b)
        n = self.counts[pair]
        return self.crossed[pair] / n - torch.outer(self.firsts[pair] / n, self.seconds[pair] / n)

    def minus(self, part: "Products") -> "Products":
        """The sums over the rows that are not in `part`."""
        return Products(
            {pair: value - part.counts[pair] for pair, value in self.counts.items()},
            {pair: value - part.firsts[pair] for pair, value in self.firsts.items()},
            {pair: value - part.seconds[pair] for pair, value in self.seconds.items()},
            {pair: value - part.crossed[pair] for pair, value in self.crossed.items()},
        )


def products(embeddings: EmbeddingSet) -> Products:
    """The sums over all rows."""
    return products_by_fold(embeddings, torch.zeros(len(embeddings.ids), dtype=torch.long), 1)[0]


def products_by_fold(embeddings: EmbeddingSet, fold: Int[Tensor, "n"], folds: int) -> list[Products]:
    """The sums over the rows of each fold, in O(folds M^2 d^2) memory.

    Args:
        embeddings: rows are read once, some thousands at a time.
        fold: of each row, from 0.
        folds: how many there are.
    """
    pairs = list(combinations_with_replacement(embeddings.modalities, 2))
    sums = [_nothing(embeddings, pairs) for _ in range(folds)]
    masks = {name: embeddings.mask(name) for name in embeddings.modalities}
    for block in torch.split(torch.arange(len(fold)), _BLOCK):
        rows = slice(int(block[0]), int(block[-1]) + 1)
        for number, total in enumerate(sums):
            of_fold = fold[rows] == number
            have = {name: mask[rows] & of_fold for name, mask in masks.items()}
            read = {name: embeddings.embeddings[name][rows][have[name]].double() for name in have}
            for a, b in pairs:
                both = have[a] & have[b]
                _add(total, (a, b), read[a][both[have[a]]], read[b][both[have[b]]])
    return sums


def summed(parts: Sequence[Products]) -> Products:
    """The sums over the rows of all parts."""
    first = parts[0]
    return Products(
        {pair: sum(part.counts[pair] for part in parts) for pair in first.counts},
        {pair: torch.stack([part.firsts[pair] for part in parts]).sum(0) for pair in first.counts},
        {pair: torch.stack([part.seconds[pair] for part in parts]).sum(0) for pair in first.counts},
        {pair: torch.stack([part.crossed[pair] for part in parts]).sum(0) for pair in first.counts},
    )


def _nothing(embeddings: EmbeddingSet, pairs: Sequence[Pair]) -> Products:
    width = {name: rows.shape[1] for name, rows in embeddings.embeddings.items()}

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=torch.float64)

    return Products(
        dict.fromkeys(pairs, 0),
        {(a, b): zeros(width[a]) for a, b in pairs},
        {(a, b): zeros(width[b]) for a, b in pairs},
        {(a, b): zeros(width[a], width[b]) for a, b in pairs},
    )


def _add(total: Products, pair: Pair, x: Float[Tensor, "n d"], y: Float[Tensor, "n e"]) -> None:
    assert isinstance(total.counts, dict)
    total.counts[pair] += len(x)
    total.firsts[pair].add_(x.sum(0))
    total.seconds[pair].add_(y.sum(0))
    total.crossed[pair].addmm_(x.T, y)
