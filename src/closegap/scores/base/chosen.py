"""How far a stage should go, measured on the reference it is fitted on."""

from collections.abc import Mapping
from itertools import combinations
from math import isnan
from typing import TypeVar

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.couple import Couple
from closegap.metrics.mixed_graded import GRADES, graded_search, relevance_of
from closegap.metrics.mixed_matched import matched_estimates
from closegap.metrics.positives import paired
from closegap.metrics.stage import Stage

_CASES = 2000  # at most: what is chosen among a few stages does not ask for more
_OF_RATIO, _OF_SHARE = 0.05, 0.03  # what of each is as far from blind

K = TypeVar("K")


def nearest_to_blind(reference: EmbeddingSet, stages: Mapping[K, Stage]) -> K | None:
    """The key of the stage that merges most blindly, among those that lose no graded nDCG; None without pairs.

    A merge is blind where matched-size search has the ratio 1 and the own modality its expected share. How far from it
    is the larger of two distances, that of the ratio in units of .05 and that of the share in units of .03; both it
    and nDCG are means over the pairs of modalities, of at most 2,000 seeded cases. Where the set has neither labels nor
    concepts all stages qualify. Ties go to the first.

    Args:
        reference: what the stages were fitted on.
        stages: each with a key, first the one that changes least: what nDCG is compared with.
    """
    couples = [_couple(reference, a, b) for a, b in combinations(reference.modalities, 2)]
    distances, grades = {}, {}
    for key, stage in stages.items():
        found = [distance for couple in couples if not isnan(distance := _distance(couple, stage))]
        if not found:
            return None
        distances[key] = sum(found) / len(found)
        grades[key] = sum(_ndcg(couple, stage) for couple in couples)
    least = grades[next(iter(stages))]
    return min((key for key in stages if grades[key] >= least), key=lambda key: distances[key])


def _couple(reference: EmbeddingSet, a: str, b: str) -> Couple:
    cases: dict[str, int] = {}
    rows = [cases.setdefault(case, len(cases)) for case in reference.ids]
    if len(cases) <= _CASES:
        return Couple.of(reference, a, b)
    chosen = torch.zeros(len(cases), dtype=torch.bool)
    chosen[torch.randperm(len(cases), generator=torch.Generator().manual_seed(0))[:_CASES]] = True
    return Couple.of(reference.select(chosen[torch.tensor(rows)].nonzero().squeeze(1)), a, b)


def _distance(couple: Couple, stage: Stage) -> float:
    x, y = paired(couple.x, couple.y)
    if not len(x.cases):
        return float("nan")
    found = {name: one.value for name, one in matched_estimates(x, y, resample_counts(1, 1), stage=stage).items()}
    of_share = abs(found["own_modality_share"] - found["expected_own_share"]) / _OF_SHARE
    of_ratio = abs(found["ratio"] - 1) / _OF_RATIO
    return of_ratio if isnan(of_ratio) else max(of_ratio, of_share)


def _ndcg(couple: Couple, stage: Stage) -> float:
    """0 where nothing is known to be relevant to anything."""
    if not GRADES.met(couple):
        return 0.0
    y = couple.y.first_and_further()[0]
    found = graded_search(couple.x, y, relevance_of(couple), stage=stage).ndcg
    return 0.0 if found.isnan().all() else float(found.nanmean())
