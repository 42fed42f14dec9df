"""Score stages and the searches that judge them, written from their definitions in plain loops over float64 lists."""

import math
from collections.abc import Mapping, Sequence

from tests.reference.metrics import Matrix, Vector, dot, mean

Items = Sequence[tuple[int, Vector]]
"""The case of each row, and the row."""


def best_elsewhere(case: int, query: Vector, targets: Items) -> float:
    return max(dot(query, row) for other, row in targets if other != case)


def z_scores(scores: Sequence[float]) -> list[float]:
    spread = math.sqrt(mean([(score - mean(scores)) ** 2 for score in scores]))
    return [(score - mean(scores)) / spread for score in scores]


def best_z_elsewhere(case: int, query: Vector, targets: Items) -> float:
    return max(z_scores([dot(query, row) for other, row in targets if other != case]))


def mu_and_sigma(queries: Items, targets: Items, per_query: bool) -> tuple[float, float]:
    best_of = best_z_elsewhere if per_query else best_elsewhere
    best = [best_of(case, row, targets) for case, row in queries]
    mu = mean(best)
    return mu, math.sqrt(mean([(score - mu) ** 2 for score in best]))


def standardised(
    score: float,
    query_modality: str,
    target_modality: str,
    reference: Mapping[str, Items],
    strength: float,
    per_query: bool,
) -> float:
    """(s - mu) / sigma, both between what all targets of the query modality share and what this pair has."""
    found = {target: mu_and_sigma(reference[query_modality], items, per_query) for target, items in reference.items()}
    shared_mu = mean([mu for mu, _ in found.values()])
    shared_log = mean([math.log(sigma) for _, sigma in found.values()])
    mu, sigma = found[target_modality]
    location = (1 - strength) * shared_mu + strength * mu
    return (score - location) / math.exp((1 - strength) * shared_log + strength * math.log(sigma))


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
