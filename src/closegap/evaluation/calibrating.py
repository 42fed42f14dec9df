"""Arms with the calibration that each of them has, and the diagrams of what these state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from closegap.calibration import Calibration
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.evaluation.card import group_count
from closegap.evaluation.compare import Result
from closegap.evaluation.sampling import is_sampled, sampled_cases
from closegap.metrics.bootstrap import estimates, resample_counts
from closegap.metrics.couple import Couple
from closegap.metrics.reliability import BINS, Reliability
from closegap.scores import ScoreStage


def calibrated(result: Result, calibration: Calibration, reference: EmbeddingSet) -> Result:
    """The arm with its own calibration.

    Args:
        result: the arm, with the fitted stage that it has.
        calibration: settings; a copy is fitted.
        reference: what it is fitted on, in the arm's space.

    Raises:
        UsageError: the relevance asked for is not in the reference.
        DataError: too few relevant targets in the reference.
    """
    stage = result.stage if isinstance(result.stage, ScoreStage) else None
    return replace(result, calibration=Calibration(**calibration.settings).fit(reference, stage))


def diagrams(
    results: Sequence[Result], resamples: int, in_full: bool = False
) -> Mapping[str, Mapping[str, list[dict[str, Any]]]]:
    """Arm to direction to bins of each query's best target: `stated`, `found`, `low`, `high`, `queries`.

    Args:
        results: arms; those without a calibration have no diagram.
        resamples: of the bootstrap by group.
        in_full: as in `measure`.
    """
    made: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for result in results:
        if result.calibration is None:
            continue
        held = result.embeddings
        cases = sampled_cases(len(set(held.ids))) if is_sampled(held, in_full) else None
        counts = resample_counts(group_count(held), resamples)
        for a, b in combinations(held.modalities, 2):
            couple = Couple.of(held, a, b, cases, calibration=result.calibration)
            for one_way in (couple, couple.swapped):
                try:
                    found = Reliability.of(one_way, result.calibration, 0.5)
                except (UsageError, DataError):
                    continue  # the metric says why
                values = estimates(found.first_answers.diagram(), found.groups, counts)
                queries = found.first_answers.number.sum(0).tolist()
                made.setdefault(result.arm, {})[one_way.direction] = [
                    {
                        "stated": values[f"stated/{i}"].value,
                        "found": values[f"found/{i}"].value,
                        "low": values[f"found/{i}"].low,
                        "high": values[f"found/{i}"].high,
                        "queries": int(queries[i]),
                    }
                    for i in range(BINS)
                    if queries[i]
                ]
    return made
