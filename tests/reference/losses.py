"""Losses written from their definitions: float64, one Python loop per sum, no tricks.

Batches are as the losses take them. Each function that ends in `_terms` is the reference of one `Loss`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import exp, log, log1p, sqrt

import numpy as np

from closegap.types import Embeddings, Groups, Present

Vector = np.ndarray
Rows = Sequence[Vector]
Terms = Mapping[str, float]


class Batch:
    """The batch as lists of cases; absent embeddings are None."""

    def __init__(self, embeddings: Embeddings, present: Present, groups: Groups | None) -> None:
        self.names = list(embeddings)
        self.n = len(next(iter(embeddings.values())))
        self.vectors: dict[str, list[Vector | None]] = {}
        for name, rows in embeddings.items():
            array = rows.detach().double().numpy()
            mask = present[name].tolist() if name in present else [True] * self.n
            self.vectors[name] = [array[i] if mask[i] else None for i in range(self.n)]
        self.groups = list(range(self.n)) if groups is None else groups.tolist()

    def shared(self, first: str, second: str) -> tuple[list[Vector], list[Vector], list[int]]:
        """Both modalities' vectors of the cases that have both, and their groups."""
        a: list[Vector] = []
        b: list[Vector] = []
        groups: list[int] = []
        for x, y, group in zip(self.vectors[first], self.vectors[second], self.groups, strict=True):
            if x is not None and y is not None:
                a, b, groups = [*a, x], [*b, y], [*groups, group]
        return a, b, groups

    def case(self, i: int) -> list[Vector]:
        """All present vectors of a case."""
        return [x for name in self.names if (x := self.vectors[name][i]) is not None]


def squared_distance(x: Vector, y: Vector) -> float:
    return float(sum((x[k] - y[k]) ** 2 for k in range(len(x))))


def info_nce(a: Rows, b: Rows, tau: float, groups: Sequence[int]) -> float:
    n = len(a)
    total = 0.0
    for i in range(n):
        for query, gallery in ((a, b), (b, a)):
            others = [j for j in range(n) if groups[j] != groups[i]]
            total += log1p(sum(exp(float(query[i] @ gallery[j] - query[i] @ gallery[i]) / tau) for j in others))
    return total / (2 * n) if n else 0.0


def true_pair_distance(a: Rows, b: Rows) -> float:
    return sum(map(squared_distance, a, b)) / len(a) if a else 0.0


def uniformity(a: Rows, b: Rows, groups: Sequence[int]) -> float:
    potentials = [
        exp(-2 * squared_distance(a[i], b[j])) for i in range(len(a)) for j in range(len(b)) if groups[i] != groups[j]
    ]
    return log(sum(potentials) / len(potentials)) if potentials else 0.0


def pair_sigmoid(a: Rows, b: Rows, tau: float, bias: float, groups: Sequence[int]) -> float:
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            logit = float(a[i] @ b[j]) / tau + bias
            if i == j:
                total += log1p(exp(-logit))
            elif groups[i] != groups[j]:
                total += log1p(exp(logit))
    return total / len(a) if a else 0.0


def cross_modal_inconsistency(a: Rows, b: Rows) -> float:
    n = len(a)
    return sum(float(a[i] @ b[j] - a[j] @ b[i]) ** 2 for i in range(n) for j in range(n)) / n if n else 0.0


def in_modal_inconsistency(a: Rows, b: Rows) -> float:
    n = len(a)
    return sum(float(a[i] @ a[j] - b[i] @ b[j]) ** 2 for i in range(n) for j in range(n)) / n if n else 0.0


def volume(vectors: Rows, eps: float) -> float:
    gram = np.array([[float(x @ y) for y in vectors] for x in vectors])
    return sqrt(np.linalg.det(gram + eps * np.eye(len(vectors))))


def mean_over_pairs(
    batch: Batch, term: Callable[[list[Vector], list[Vector], list[int]], float], anchor: str | None = None
) -> float:
    pairs = [
        (first, second)
        for first, second in combinations([anchor, *(set(batch.names) - {anchor})] if anchor else batch.names, 2)
        if anchor in (None, first)
    ]
    values = [term(*batch.shared(*pair)) for pair in pairs if batch.shared(*pair)[0]]
    return sum(values) / len(values) if values else 0.0


def contrastive_terms(batch: Batch, tau: float, anchor: str | None = None) -> Terms:
    return {"contrastive": mean_over_pairs(batch, lambda a, b, groups: info_nce(a, b, tau, groups), anchor)}


def align_terms(batch: Batch, anchor: str) -> Terms:
    return {"align": mean_over_pairs(batch, lambda a, b, _: true_pair_distance(a, b), anchor)}


def align_to_centroid_terms(batch: Batch) -> Terms:
    distances = []
    for i in range(batch.n):
        vectors = batch.case(i)
        if len(vectors) > 1:
            distances += [squared_distance(x, np.mean(vectors, axis=0)) for x in vectors]
    return {"align": sum(distances) / len(distances) if distances else 0.0}


def centroid_uniformity_terms(batch: Batch, paper: bool = False) -> Terms:
    cases = [i for i in range(batch.n) if batch.case(i)]
    centroids = [np.mean(batch.case(i), axis=0) for i in cases]
    if not paper:
        centroids = [mu / np.linalg.norm(mu) for mu in centroids]
    groups = [batch.groups[i] for i in cases]
    value = uniformity(centroids, centroids, groups)
    if paper:
        pairs = sum(groups[i] != groups[j] for i in range(len(cases)) for j in range(len(cases)))
        value += log(pairs / len(cases)) if pairs else 0.0
    return {"uniformity": value}


def gap_closing_terms(batch: Batch, tau: float, align: float, uniformity: float, anchor: str) -> Terms:
    return {
        **contrastive_terms(batch, tau),
        "align": align * align_terms(batch, anchor)["align"],
        "uniformity": uniformity * centroid_uniformity_terms(batch)["uniformity"],
    }


def uniformity_alignment_terms(batch: Batch, tau: float) -> Terms:
    inside = []
    for name in batch.names:
        rows, _, groups = batch.shared(name, name)
        inside += [uniformity(rows, rows, groups)] if rows else []
    return {
        **contrastive_terms(batch, tau),
        "align": mean_over_pairs(batch, lambda a, b, _: true_pair_distance(a, b)),
        "uniformity": sum(inside) / len(inside) if inside else 0.0,
        "cross_uniformity": mean_over_pairs(batch, uniformity),
    }


def siglip_terms(batch: Batch, tau: float, bias: float) -> Terms:
    return {"contrastive": mean_over_pairs(batch, lambda a, b, groups: pair_sigmoid(a, b, tau, bias, groups))}


def cyclip_terms(batch: Batch, tau: float) -> Terms:
    return {
        **contrastive_terms(batch, tau),
        "cross_modal": 0.25 * mean_over_pairs(batch, lambda a, b, _: cross_modal_inconsistency(a, b)),
        "in_modal": 0.25 * mean_over_pairs(batch, lambda a, b, _: in_modal_inconsistency(a, b)),
    }


def volume_terms(batch: Batch, tau: float, anchor: str, eps: float) -> Terms:
    rest = [name for name in batch.names if name != anchor]
    others = [[x for name in rest if (x := batch.vectors[name][i]) is not None] for i in range(batch.n)]
    anchors = {i: x for i, x in enumerate(batch.vectors[anchor]) if x is not None}
    cases = [i for i in anchors if others[i]]
    total = 0.0
    for i in cases:
        own = volume([anchors[i], *others[i]], eps)
        negatives = [j for j in cases if batch.groups[j] != batch.groups[i]]
        rows = [volume([anchors[i], *others[j]], eps) for j in negatives]
        columns = [volume([anchors[j], *others[i]], eps) for j in negatives]
        total += sum(log1p(sum(exp((own - other) / tau) for other in direction)) for direction in (rows, columns))
    return {"contrastive": total / (2 * len(cases)) if cases else 0.0}
