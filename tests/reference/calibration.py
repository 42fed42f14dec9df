"""Calibration, a second time, pair by pair, in float64."""

from collections.abc import Sequence
from math import exp

Couple = tuple[float, bool]


def couples(
    scores: Sequence[Sequence[float]], cases: tuple[Sequence[int], Sequence[int]], groups: tuple[Sequence[int], ...]
) -> list[list[Couple]]:
    """Of each query, the score and the relevance of every target that counts."""
    found = []
    for i, row in enumerate(scores):
        mine = []
        for j, score in enumerate(row):
            own = cases[0][i] == cases[1][j]
            if own or groups[0][i] != groups[1][j]:
                mine.append((score, own))
        found.append(mine)
    return found


def pool_adjacent_violators(found: Sequence[Couple]) -> dict[float, float]:
    """Score to the isotonic share of relevant couples."""
    blocks: list[tuple[float, float, list[float]]] = []  # relevant, number, scores
    for score in sorted({score for score, _ in found}):
        here = [relevant for at, relevant in found if at == score]
        blocks.append((float(sum(here)), float(len(here)), [score]))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return {score: relevant / number for relevant, number, scores in blocks for score in scores}


def platt_gradient(slope: float, intercept: float, found: Sequence[Couple]) -> tuple[float, float]:
    """The derivative of the mean cross entropy with Platt's targets: 0 at the optimum."""
    yes = sum(relevant for _, relevant in found)
    no = len(found) - yes
    at = 0.0, 0.0
    for score, relevant in found:
        target = (yes + 1) / (yes + 2) if relevant else 1 / (no + 2)
        error = 1 / (1 + exp(-slope * score - intercept)) - target
        at = at[0] + error * score / len(found), at[1] + error / len(found)
    return at


def brier(stated: Sequence[float], found: Sequence[bool]) -> float:
    """Mean squared error."""
    return sum((p - y) ** 2 for p, y in zip(stated, found, strict=True)) / len(stated)


def expected_calibration_error(bins: Sequence[Sequence[tuple[float, bool]]]) -> float:
    """|mean stated - mean found|, weighted by the number in each bin."""
    total = sum(len(part) for part in bins)
    return sum(abs(sum(p - y for p, y in part)) for part in bins) / total
