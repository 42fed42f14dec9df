"""Where another modality has to be moved to, so that a merge with the query's own is blind to modality."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.mixed_balanced import first_by_coin
from closegap.metrics.positives import rows_of
from closegap.scores.base.best import best_scores, sampled

_K = 10  # of a list, as searches are judged
_COINS = 5
_QUERIES = 4096  # of all coins
_LEAST = 1e-6  # of a standard deviation: where all best scores are alike, none is blown up


@dataclass(frozen=True)
class Lists:
    """What reference queries find best in their own modality and in another, highest first; -inf where there is less.

    Args:
        own: among items of the query's own modality.
        other: among items of the other one.
        expected: the own modality's share of all that is searched.
    """

    own: Float[Tensor, "q k"]
    other: Float[Tensor, "q k"]
    expected: float

    @property
    def gain(self) -> float:
        """What scales the other modality's best scores to vary as widely as the own one's."""
        own, other = (best[best.isfinite()] for best in (self.own[:, 0], self.other[:, 0]))
        if not len(own) or not len(other):
            return 1.0
        return float(own.std(correction=0).clamp(min=_LEAST) / other.std(correction=0).clamp(min=_LEAST))

    def offset(self, gain: float = 1.0) -> float:
        """What to add to `gain` times the other modality's scores, so that the own one has its expected share.

        The other modality's j-th best enters a list of k where it passes the own one's (k + 1 - j)-th, so the offset is
        a quantile, over queries and j, of what is missing. k is 10, or less where less is searched.
        """
        full = self.own.isfinite().sum(1).minimum(self.other.isfinite().sum(1))
        if not (full > 0).any():
            return 0.0
        k = int(full[full > 0].min())
        own, other = self.own[full > 0, :k], self.other[full > 0, :k]
        missing = (own.flip(1) - gain * other).flatten().sort().values
        place = (1 - self.expected) * (len(missing) - 1)
        return float(missing[[floor(place), ceil(place)]].mean())


def lists_by_coin(
    reference: EmbeddingSet,
    query_modality: str,
    target_modality: str,
    seen_as: Callable[[Tensor], Tensor] | None = None,
) -> Lists:
    """The lists of two modalities, of archives in which the toss of a coin leaves each case one of the two.

    Every case asks with what the archive does not hold of it, its own case left out: it takes no pairs and no labels.

    Args:
        reference: embeddings of both.
        query_modality: of the queries.
        target_modality: another one.
        seen_as: what the cosines of some queries with all items of a modality become; cosines by default.
    """
    queries, gallery = rows_of(reference, query_modality), rows_of(reference, target_modality)
    found = []
    for as_own in _coins(reference):
        own, other = queries.pick(as_own[queries.cases]), gallery.pick(~as_own[gallery.cases])
        asking = sampled(queries.pick(~as_own[queries.cases]), ceil(_QUERIES / _COINS))
        if not len(asking.cases) or not len(own.cases) or not len(other.cases):
            continue
        of_case = other.cases.bincount(minlength=len(as_own))[asking.cases]
        expected = len(own.cases) / (len(own.cases) + len(other.cases) - of_case.double()).clamp(min=1)
        best = (best_scores(asking, items, _K, seen_as) for items in (own, other))
        found.append((*best, expected))
    if not found:
        return Lists(torch.empty(0, _K), torch.empty(0, _K), 0.5)
    own_best, other_best, expected = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Lists(own_best, other_best, float(expected.mean()))


def _coins(reference: EmbeddingSet) -> Iterator[Bool[Tensor, "c"]]:
    """Which cases stand in the query's own modality, some times; a case's coin does not depend on the order of rows."""
    names = list(dict.fromkeys(reference.ids))
    by_name = torch.tensor(sorted(range(len(names)), key=names.__getitem__))
    for seed in range(_COINS):
        yield torch.empty(len(names), dtype=torch.bool).scatter(0, by_name, first_by_coin(len(names), seed))
