"""One trained run on one split: its embeddings, and what its objective adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.calibration import Calibration
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Report
from closegap.evaluation.runs import judge_runs
from closegap.metrics.base import Metric
from closegap.posthoc import PostHoc
from closegap.runs.log import Watching, unwatched
from closegap.scores import ScoreStage
from closegap.studies.compare_runs import measured


@dataclass(frozen=True)
class EvaluatedRun:
    """What `evaluate_run` found.

    Args:
        report: all of it in one report.
        comparisons: of the embeddings, and of what the objective adds.
    """

    report: Report
    comparisons: Sequence[Comparison]


def evaluate_run(
    run: Path,
    split: str,
    *,
    metrics: Sequence[Metric] | None = None,
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: str = "train",
    calibration: Calibration | None = None,
    fit_on: str = "train",
    watching: Watching = unwatched,
) -> EvaluatedRun:
    """Measure a run on a split: its embeddings, with post-hoc methods as arms, and what its objective is judged by.

    Args:
        run: its folder.
        split: train, validation or test.
        metrics: what is measured of embeddings.
        overrides: of the run's config (`--data.root DIR`).
        methods: post-hoc methods, as arms of their own.
        stages: score stages, beside the run and each method.
        reference: the split that stages and calibrations are fitted on.
        calibration: settings of what is fitted for each arm and measured; None for nothing.
        fit_on: the split that post-hoc methods are fitted on.
        watching: who is told how it goes.

    Raises:
        ClosegapError: no run, no checkpoint, or no such split.
    """
    judged = judge_runs(
        [run],
        split,
        overrides,
        methods,
        watching,
        stages=stages,
        reference=reference,
        calibration=calibration,
        fit_on=fit_on,
    )
    embedded = measured(judged, metrics, watching)
    added = judged.runs[0].objective.judged(run, split, overrides, watching)
    if added is None:
        return EvaluatedRun(embedded.report, [embedded])
    return EvaluatedRun(_together(embedded.report, added.report), [embedded, added])


def _together(embeddings: Report, added: Report) -> Report:
    """The run's arm with all that was measured of it; then what the objective's own figures are compared with."""
    scores = {arm.name: arm.metrics for arm in added.arms}
    arms = [Arm(arm.name, {**arm.metrics, **scores.pop(arm.name, {})}) for arm in embeddings.arms]
    arms += [Arm(name, metrics) for name, metrics in scores.items()]
    figures = {**embeddings.figures, **added.figures}
    return Report(arms, [*embeddings.skipped, *added.skipped], {**added.data, **embeddings.data}, figures)
