"""How far a stage should go, measured on the reference it is fitted on."""

from collections.abc import Mapping
from itertools import combinations
from math import isnan

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.couple import Couple
from closegap.metrics.mixed_graded import GRADES, graded_search, relevance_of
from closegap.metrics.mixed_matched import matched_estimates
from closegap.metrics.positives import paired
from closegap.metrics.stage import Stage

_CASES = 2000  # at most: what is chosen among a few strengths does not ask for more


def nearest_to_blind(reference: EmbeddingSet, stages: Mapping[float, Stage]) -> float | None:
    """The strength whose matched-size ratio is nearest 1, among those that lose no graded nDCG; None without pairs.

    Ratio and nDCG are means over the pairs of modalities, of at most 2,000 seeded cases. Where the set has neither
    labels nor concepts all strengths qualify. Ties go to the lower one.

    Args:
        reference: what the stages were fitted on.
        stages: strength to stage, the lowest first: what nDCG is compared with.
    """
    couples = [_couple(reference, a, b) for a, b in combinations(reference.modalities, 2)]
    distances, grades = {}, {}
    for strength, stage in stages.items():
        ratios = [ratio for couple in couples if not isnan(ratio := _ratio(couple, stage))]
        if not ratios:
            return None
        distances[strength] = sum(abs(ratio - 1) for ratio in ratios) / len(ratios)
        grades[strength] = sum(_ndcg(couple, stage) for couple in couples)
    least = grades[min(stages)]
    return min((strength for strength in stages if grades[strength] >= least), key=lambda strength: distances[strength])


def _couple(reference: EmbeddingSet, a: str, b: str) -> Couple:
    cases: dict[str, int] = {}
    rows = [cases.setdefault(case, len(cases)) for case in reference.ids]
    if len(cases) <= _CASES:
        return Couple.of(reference, a, b)
    chosen = torch.zeros(len(cases), dtype=torch.bool)
    chosen[torch.randperm(len(cases), generator=torch.Generator().manual_seed(0))[:_CASES]] = True
    return Couple.of(reference.select(chosen[torch.tensor(rows)].nonzero().squeeze(1)), a, b)


def _ratio(couple: Couple, stage: Stage) -> float:
    x, y = paired(couple.x, couple.y)
    if not len(x.cases):
        return float("nan")
    return matched_estimates(x, y, resample_counts(1, 1), stage=stage)["ratio"].value


def _ndcg(couple: Couple, stage: Stage) -> float:
    """0 where nothing is known to be relevant to anything."""
    if not GRADES.met(couple):
        return 0.0
    y = couple.y.first_and_further()[0]
    found = graded_search(couple.x, y, relevance_of(couple), stage=stage).ndcg
    return 0.0 if found.isnan().all() else float(found.nanmean())
