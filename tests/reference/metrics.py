"""Metrics written from their definitions, in plain loops over float64 lists: slow, and easy to check by eye."""

import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Vector]


def dot(a: Vector, b: Vector) -> float:
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def centre(rows: Matrix) -> list[float]:
    return [mean(column) for column in zip(*rows, strict=True)]


def modality_gap(x: Matrix, y: Matrix) -> float:
    return math.dist(centre(x), centre(y))


def sampling_floor(x: Matrix, y: Matrix) -> float:
    differences = [[p - q for p, q in zip(a, b, strict=True)] for a, b in zip(x, y, strict=True)]
    middle = centre(differences)
    return math.sqrt(mean([math.dist(difference, middle) ** 2 for difference in differences]) / len(x))


def cosine_true_pairs(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> float:
    return mean([dot(a, b) for a, i in zip(x, x_cases, strict=True) for b, j in zip(y, y_cases, strict=True) if i == j])


def cosine_null(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> float:
    return mean([dot(a, b) for a, i in zip(x, x_cases, strict=True) for b, j in zip(y, y_cases, strict=True) if i != j])


def relative_modality_gap(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> float:
    across = (1 - cosine_true_pairs(x, y, x_cases, y_cases)) / 2
    inside_x = (1 - cosine_null(x, x, x_cases, x_cases)) / 2
    inside_y = (1 - cosine_null(y, y, y_cases, y_cases)) / 2
    return across / (across + (inside_x + inside_y) / 2)


def ranking(query: Vector, gallery: Matrix, skip: int | None = None) -> list[int]:
    """Gallery rows from the most similar on; equal similarities by index."""
    items = [item for item in range(len(gallery)) if item != skip]
    # Rounding makes products that are equal on paper equal here too.
    return sorted(items, key=lambda item: (-round(dot(query, gallery[item]), 10), item))


def best_rank(query: Vector, gallery: Matrix, positives: set[int], skip: int | None = None) -> int:
    return 1 + next(place for place, item in enumerate(ranking(query, gallery, skip)) if item in positives)


def average_precision(query: Vector, gallery: Matrix, positives: set[int], skip: int | None = None) -> float:
    found, precisions = 0, []
    for place, item in enumerate(ranking(query, gallery, skip), start=1):
        if item in positives:
            found += 1
            precisions.append(found / place)
    return mean(precisions)


def log_mean_kernel(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> float:
    kernels = [
        math.exp(-2 * math.dist(a, b) ** 2)
        for a, i in zip(x, x_cases, strict=True)
        for b, j in zip(y, y_cases, strict=True)
        if i != j
    ]
    return math.log(mean(kernels))


def unit(vector: Vector) -> list[float]:
    return [value / math.sqrt(dot(vector, vector)) for value in vector]


def case_centroids(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> list[list[float]]:
    found = []
    for case in sorted({*x_cases, *y_cases}):
        sides = [
            [row for row, of in zip(rows, cases, strict=True) if of == case]
            for rows, cases in ((x, x_cases), (y, y_cases))
        ]
        found.append(centre([centre(rows) for rows in sides if rows]))
    return found


def squared_mmd(x: Matrix, y: Matrix, x_cases: Sequence[int], y_cases: Sequence[int]) -> float:
    pooled = [*x, *y]
    distances = sorted(math.dist(a, b) ** 2 for place, a in enumerate(pooled) for b in pooled[:place])
    width = distances[(len(distances) - 1) // 2]

    def inside(a: Matrix, b: Matrix, a_cases: Sequence[int], b_cases: Sequence[int]) -> float:
        return mean(
            [
                math.exp(-(math.dist(p, q) ** 2) / (2 * width))
                for p, i in zip(a, a_cases, strict=True)
                for q, j in zip(b, b_cases, strict=True)
                if i != j
            ]
        )

    return inside(x, x, x_cases, x_cases) + inside(y, y, y_cases, y_cases) - 2 * inside(x, y, x_cases, y_cases)


def ndcg(found: Sequence[float], everything: Sequence[float], k: int) -> float:
    """`found`: relevance of the items in the order of the ranking; `everything`: of all items of the index."""

    def gain(values: Sequence[float]) -> float:
        return math.fsum(value / math.log2(rank + 1) for rank, value in enumerate(values[:k], start=1))

    return gain(found) / gain(sorted(everything, reverse=True))


def jaccard(a: Sequence[str], b: Sequence[str]) -> float:
    together = set(a) | set(b)
    return len(set(a) & set(b)) / len(together) if together else 0.0
