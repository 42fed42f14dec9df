"""Texts by the words, sets by the codes and health records by the events that they share with the training items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from torch import Tensor

from closegap.bounds import Buckets, PositiveInt, Width
from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.events import EventsKind
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.towers.event_terms import event_terms

_LEAST = 3
"""Items that have a term for it to weigh anything."""

Terms: TypeAlias = Literal["words", "codes", "events"]


@dataclass(frozen=True)
class TermPreparer:
    """Items to the numbers and the counts of their hashed terms, padded with terms that are there 0 times."""

    buckets: int
    ngrams: int
    terms: Terms

    def __call__(self, items: Sequence[Any]) -> tuple[Int[Tensor, "n terms"], Float[Tensor, "n terms"]]:
        """The batch."""
        counts = self.counts(items)
        width = max(1, int(np.diff(counts.indptr).max(initial=0)))
        terms, times = torch.zeros(len(items), width, dtype=torch.long), torch.zeros(len(items), width)
        for row, (first, last) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
            terms[row, : last - first] = torch.from_numpy(counts.indices[first:last].astype(np.int64))
            times[row, : last - first] = torch.from_numpy(counts.data[first:last].astype(np.float32))
        return terms, times

    def counts(self, items: Sequence[Any]) -> sparse.csr_matrix:
        """How often each item has each term."""
        vectorizer = HashingVectorizer(
            analyzer=_ANALYZERS[self.terms],
            n_features=self.buckets,
            ngram_range=(1, self.ngrams),
            alternate_sign=False,
            norm=None,
        )
        return sparse.csr_matrix(vectorizer.transform(items) if items else (0, self.buckets))


class LatentSemanticEncoder(Encoder):
    """Latent semantic analysis: the leading directions of the training items' TF-IDF weights.

    It knows the words of its own training texts, rare in what a pretrained tower read, and nothing else; beside such a
    tower (`ConcatEncoder`) it adds what that one lacks. Nothing is trained by steps: `fit` sees the training items.
    Terms are hashed: no word is kept, and those of fewer than three items weigh nothing.

    Args:
        dim: features; of fewer training items than that, the rest is 0.
        buckets: what terms are hashed into.
        ngrams: terms are runs of up to so many words.
        terms: "words" of texts, "codes" of sets, or "events" of health records: their codes, values and recency.

    Raises:
        UsageError: runs of codes or events, which are counted without their order.

    Reference:
        Deerwester et al. 1990, Indexing by latent semantic analysis; logarithmic counts, smoothed inverse frequencies
        and unit rows as scikit-learn has them.
    """

    fitted = True

    frequency: Float[Tensor, "buckets"]
    directions: Float[Tensor, "buckets dim"]

    def __init__(
        self, dim: Width = 256, buckets: Buckets = 1 << 14, ngrams: PositiveInt = 1, terms: Terms = "words"
    ) -> None:
        super().__init__()
        if terms != "words" and ngrams > 1:
            raise UsageError(f"ngrams: {ngrams} given, expected 1, since {terms} have no order")
        self.takes = _KINDS[terms]
        self.dim, self.ngrams, self.terms = dim, ngrams, terms
        self.register_buffer("frequency", torch.zeros(buckets))
        self.register_buffer("directions", torch.zeros(buckets, dim))

    def preparer(self) -> TermPreparer:
        """Counting of hashed terms."""
        return TermPreparer(len(self.frequency), self.ngrams, self.terms)

    def fit(self, items: Iterable[Any]) -> None:
        """Inverse frequencies of the terms, and the leading right singular vectors of the training items' weights."""
        counts = self.preparer().counts(list(items))
        self.frequency.zero_()
        self.directions.zero_()
        if not counts.nnz:
            return
        weigher = TfidfTransformer(sublinear_tf=True).fit(counts)
        heavy = np.bincount(counts.indices, minlength=len(self.frequency)) >= _LEAST
        counts.data *= heavy[counts.indices]
        counts.eliminate_zeros()
        weights = weigher.transform(counts)
        frequency = np.where(heavy, weigher.idf_, 0)
        known = min(self.dim, counts.shape[0] - 1)
        self.frequency.copy_(torch.from_numpy(frequency))
        if known > 0 and weights.nnz:
            found = TruncatedSVD(known, random_state=0).fit(weights).components_
            self.directions[:, :known] = torch.from_numpy(np.ascontiguousarray(found.T)).to(self.directions)

    def forward(self, inputs: tuple[Int[Tensor, "n terms"], Float[Tensor, "n terms"]]) -> Float[Tensor, "n dim"]:
        """Projected TF-IDF weights of unit norm; 0 for an item without a known term."""
        terms, times = inputs
        weights = torch.where(times > 0, 1 + times.clamp(min=1).log(), 0) * self.frequency[terms]
        directions = self.directions.float()
        features: Tensor = F.embedding_bag(terms, directions, per_sample_weights=F.normalize(weights), mode="sum")
        return features


def _each(codes: Sequence[str]) -> Sequence[str]:
    return codes


_ANALYZERS: Mapping[Terms, Any] = {"words": "word", "codes": _each, "events": event_terms}
_KINDS: Mapping[Terms, type[Kind]] = {"words": TextKind, "codes": CodesKind, "events": EventsKind}
