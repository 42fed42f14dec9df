"""Texts by the words that they share with the training texts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor

from closegap.bounds import Buckets, PositiveInt, Width
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder

_LEAST = 3
"""Texts that have a term for it to weigh anything."""


@dataclass(frozen=True)
class TermPreparer:
    """Texts to the numbers and the counts of their hashed terms, padded with terms that are there 0 times."""

    buckets: int
    ngrams: int

    def __call__(self, items: Sequence[str]) -> tuple[Int[Tensor, "n terms"], Float[Tensor, "n terms"]]:
        """The batch."""
        counts = self.counts(items)
        width = max(1, int(np.diff(counts.indptr).max(initial=0)))
        terms, times = torch.zeros(len(items), width, dtype=torch.long), torch.zeros(len(items), width)
        for row, (first, last) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
            terms[row, : last - first] = torch.from_numpy(counts.indices[first:last].astype(np.int64))
            times[row, : last - first] = torch.from_numpy(counts.data[first:last].astype(np.float32))
        return terms, times

    def counts(self, items: Sequence[str]) -> sparse.csr_matrix:
        """How often each text has each term."""
        vectorizer = HashingVectorizer(
            n_features=self.buckets, ngram_range=(1, self.ngrams), alternate_sign=False, norm=None
        )
        return sparse.csr_matrix(vectorizer.transform(items) if items else (0, self.buckets))


class LatentSemanticEncoder(Encoder):
    """Latent semantic analysis: the leading directions of the training texts' TF-IDF weights.

    It knows the words of its own training texts, rare in what a pretrained tower read, and nothing else; beside such a
    tower (`ConcatEncoder`) it adds what that one lacks. Nothing is trained by steps: `fit` sees the training texts.
    Terms are hashed: no word is kept, and those of fewer than three texts weigh nothing.

    Args:
        dim: features; of fewer training texts than that, the rest is 0.
        buckets: what terms are hashed into.
        ngrams: terms are runs of up to so many words.

    Reference:
        Deerwester et al. 1990, Indexing by latent semantic analysis; logarithmic counts, smoothed inverse frequencies
        and unit rows as scikit-learn has them.
    """

    takes = TextKind
    fitted = True

    frequency: Float[Tensor, "buckets"]
    directions: Float[Tensor, "buckets dim"]

    def __init__(self, dim: Width = 256, buckets: Buckets = 1 << 14, ngrams: PositiveInt = 1) -> None:
        super().__init__()
        self.dim, self.ngrams = dim, ngrams
        self.register_buffer("frequency", torch.zeros(buckets))
        self.register_buffer("directions", torch.zeros(buckets, dim))

    def preparer(self) -> Callable[[Sequence[str]], Any]:
        """Counting of hashed terms."""
        return TermPreparer(len(self.frequency), self.ngrams)

    def fit(self, items: Iterable[str]) -> None:
        """Inverse frequencies of the terms, and the leading right singular vectors of the training texts' weights."""
        counts = TermPreparer(len(self.frequency), self.ngrams).counts(list(items))
        having = np.bincount(counts.indices, minlength=len(self.frequency))
        frequency = np.where(having >= _LEAST, np.log((1 + counts.shape[0]) / (1 + having)) + 1, 0)
        counts.data = (1 + np.log(counts.data)) * frequency[counts.indices]
        lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
        weights = sparse.diags(1 / np.where(lengths > 0, lengths, 1)) @ counts
        known = min(self.dim, counts.shape[0] - 1)
        self.directions.zero_()
        self.frequency.copy_(torch.from_numpy(frequency))
        if known > 0 and weights.nnz:
            found = TruncatedSVD(known, random_state=0).fit(weights).components_
            self.directions[:, :known] = torch.from_numpy(np.ascontiguousarray(found.T)).to(self.directions)

    def forward(self, inputs: tuple[Int[Tensor, "n terms"], Float[Tensor, "n terms"]]) -> Float[Tensor, "n dim"]:
        """Projected TF-IDF weights of unit norm; 0 for a text without a known word."""
        terms, times = inputs
        weights = torch.where(times > 0, 1 + times.clamp(min=1).log(), 0) * self.frequency[terms]
        directions = self.directions.float()
        features: Tensor = F.embedding_bag(terms, directions, per_sample_weights=F.normalize(weights), mode="sum")
        return features
