"""Trained runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from closegap.api import given
from closegap.api.bars import Bars
from closegap.calibration.curves import CurveName
from closegap.evaluation.report import Report
from closegap.runs.log import Watching
from closegap.runs.study_folder import expanded
from closegap.studies.compare_runs import compare_runs


def compare(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    split: str = "test",
    metrics: given.Metrics = "all",
    posthoc: given.Methods = (),
    scores: given.Stages = (),
    reference: str = "train",
    calibrate: CurveName | None = None,
    fit_on: str = "train",
    overrides: Sequence[str] = (),
    title: str = "Arms compared",
    cases: bool = True,
    watching: Watching = Bars,
) -> Report:
    """Runs on one split, seeds of an arm averaged, differences paired; writes report.json and report.html.

    Args:
        runs: folders of runs or of studies; the first run's arm is the baseline.
        out: the folder to write.
        split: train, validation or test.
        metrics: "quick", "tasks", "all", import paths, metrics.
        posthoc: methods, as arms of their own.
        scores: score stages beside each of these arms: "all", names, import paths, stages.
        reference: the split of each run that stages and calibrations are fitted on.
        calibrate: "isotonic" or "logistic" fits probabilities of a match for each arm and measures whether they hold;
            name a `reference` that nothing was trained on.
        fit_on: the split of each run that post-hoc methods are fitted on.
        overrides: of the runs' configs.
        title: of the page.
        cases: whether the page shows cases; a run with `train.show_cases: false` hides them all the same.
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        UsageError: a run twice, two settings of one name, or runs of different cases.
    """
    found = compare_runs(
        expanded([Path(run) for run in runs]),
        split,
        Path(out),
        title=title,
        metrics=given.metrics(metrics),
        overrides=overrides,
        methods=given.methods(posthoc),
        stages=given.stages(scores),
        reference=reference,
        calibration=given.calibration(calibrate),
        fit_on=fit_on,
        watching=watching,
        cases=cases,
    )
    return found.comparison.report
