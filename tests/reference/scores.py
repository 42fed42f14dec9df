"""Score stages and the searches that judge them, written from their definitions in plain loops over float64 lists."""

import math
from collections.abc import Mapping, Sequence

from tests.reference.metrics import Matrix, Vector, dot, mean

Items = Sequence[tuple[int, Vector]]
"""The case of each row, and the row."""


def z_scores(scores: Sequence[float]) -> list[float]:
    spread = math.sqrt(mean([(score - mean(scores)) ** 2 for score in scores]))
    return [(score - mean(scores)) / spread for score in scores]


def best_elsewhere(case: int, query: Vector, targets: Items, k: int = 1, by_query: bool = False) -> list[float]:
    """The k highest scores among items of other cases, highest first."""
    scores = [dot(query, row) for other, row in targets if other != case]
    return sorted(z_scores(scores) if by_query else scores, reverse=True)[:k]


def own_share(own: Sequence[Sequence[float]], other: Sequence[Sequence[float]], k: int = 10) -> float:
    """The mean share of the first of each pair of lists in the k highest of both."""
    shares = []
    for ours, theirs in zip(own, other, strict=True):
        merged = sorted([(score, 1.0) for score in ours] + [(score, 0.0) for score in theirs], reverse=True)[:k]
        shares.append(mean([of_own for _, of_own in merged]))
    return mean(shares)


def matched_ranks(x: Matrix, y: Matrix, as_x: Sequence[bool]) -> list[tuple[int, float]]:
    """Of each case: the rank of its other view in the index of one view per case, and the own share of the top ten."""
    index = [*((i, "x", x[i]) for i, first in enumerate(as_x) if first)]
    index += [(i, "y", y[i]) for i, first in enumerate(as_x) if not first]
    found = []
    for case, first in enumerate(as_x):
        query, own = (y[case], "y") if first else (x[case], "x")
        order = sorted(index, key=lambda item: -dot(query, item[2]))
        rank = 1 + next(place for place, (i, _, _) in enumerate(order) if i == case)
        found.append((rank, mean([float(modality == own) for _, modality, _ in order[:10]])))
    return found


def counterpart_rank(query: Vector, gallery: Matrix, case: int) -> int:
    return 1 + sum(dot(query, row) > dot(query, gallery[case]) for row in gallery)


def fused(lists: Mapping[str, Sequence[float]], k: int = 60) -> list[int]:
    """The items of all lists by 1 / (k + rank), numbered list after list; ties in that order."""
    found = []
    for scores in lists.values():
        ranks = {item: rank for rank, item in enumerate(sorted(range(len(scores)), key=lambda i: -scores[i]), start=1)}
        found += [1 / (k + ranks[item]) for item in range(len(scores))]
    return sorted(range(len(found)), key=lambda item: -found[item])
