"""Reliability diagrams: what calibrations state of each query's best target, and how often it is relevant."""

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.evaluation.sampling import is_sampled, sampled_cases
from closegap.metrics.calibrator import Calibrator
from closegap.metrics.couple import Couple
from closegap.metrics.reliability import BINS, Reliability, bins_by_rank

_GROUPS_A_BIN = 50
_LEAST_BINS = 5
_NORMAL = 1.959964


def diagrams(runs: Sequence[tuple[EmbeddingSet, Calibrator]], in_full: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Direction to bins of an arm's best targets: `stated`, `found`, `low`, `high`, `queries`.

    Bins hold equally many queries, of some 50 groups, but are 5 at least and 15 at most; queries of which the same is
    stated share one. Those of several seeds are pooled. [low, high] is the 95% interval of the share found, by Wilson's
    formula with the number of distinct groups in the bin.

    Args:
        runs: an arm's sets, one a seed, with the calibration of each.
        in_full: as in `measure`.

    Reference:
        Wilson, JASA 1927; where nothing or all is found a bootstrap knows no interval. Groups for trials are ours.
    """
    first = runs[0][0]
    cases = sampled_cases(len(set(first.ids))) if is_sampled(first, in_full) else None
    made: dict[str, list[dict[str, Any]]] = {}
    for a, b in combinations(first.modalities, 2):
        for way in ((a, b), (b, a)):
            found = []
            for held, calibration in runs:
                couple = Couple.of(held, *way, cases, calibration=calibration)
                try:
                    found.append(Reliability.of(couple, calibration, 0.5))
                except (UsageError, DataError):
                    continue  # the metric says why
            if found:
                made[f"{way[0]}_to_{way[1]}"] = _pooled(found)
    return made


def wilson(share: float, trials: int) -> tuple[float, float]:
    """The 95% interval of a share that was found in so many trials."""
    z = _NORMAL**2 / trials
    middle = (share + z / 2) / (1 + z)
    reach = sqrt(max(0.0, share * (1 - share) * z + z**2 / 4)) / (1 + z)
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def _pooled(found: Sequence[Reliability]) -> list[dict[str, Any]]:
    stated = torch.cat([one.stated for one in found])
    relevant = torch.cat([one.found for one in found])
    groups = torch.cat([one.groups for one in found])
    bins = bins_by_rank(stated, min(BINS, max(_LEAST_BINS, _distinct(groups) // _GROUPS_A_BIN)))
    made = []
    for number in range(int(bins.max()) + 1):
        here = bins == number
        if not here.any():
            continue
        share = float(relevant[here].mean())
        low, high = wilson(share, _distinct(groups[here]))
        made.append(
            {
                "stated": float(stated[here].mean()),
                "found": share,
                "low": low,
                "high": high,
                "queries": int(here.sum()),
            }
        )
    return made


def _distinct(groups: Int[Tensor, "u"]) -> int:
    return int(torch.bincount(groups).count_nonzero())
