"""One trained run on one split."""

from collections.abc import Sequence
from pathlib import Path

from closegap.api import given
from closegap.api.bars import Bars
from closegap.calibration.curves import CurveName
from closegap.evaluation.report import Report
from closegap.runs.log import Watching
from closegap.studies.evaluate_run import evaluate_run


def evaluate(
    run: Path | str,
    split: str = "test",
    *,
    metrics: given.Metrics = "all",
    posthoc: given.Methods = (),
    scores: given.Stages = (),
    reference: str = "train",
    calibrate: CurveName | None = None,
    fit_on: str = "train",
    overrides: Sequence[str] = (),
    out: Path | str | None = None,
    watching: Watching = Bars,
) -> Report:
    """What a run is worth on a split: gap, cosines with their null, retrieval and the tasks, with intervals by group.

    Args:
        run: the run's folder.
        split: train, validation or test.
        metrics: "quick", "tasks", "all", import paths, metrics.
        posthoc: methods, as arms of their own: "all", names, import paths, methods.
        scores: score stages beside each of these arms: "all", names, import paths, stages.
        reference: the split that stages and calibrations are fitted on.
        calibrate: "isotonic" or "logistic" fits probabilities of a match for each arm and measures whether they hold;
            name a `reference` that nothing was trained on.
        fit_on: the split that post-hoc methods are fitted on.
        overrides: of the run's config (`["--data.root", "ROCO"]`).
        out: a .json file to write; None writes none.
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        ClosegapError: no run, no checkpoint, or no such split.
    """
    found = evaluate_run(
        Path(run),
        split,
        metrics=given.metrics(metrics),
        methods=given.methods(posthoc),
        stages=given.stages(scores),
        reference=reference,
        calibration=given.calibration(calibrate),
        fit_on=fit_on,
        overrides=overrides,
        watching=watching,
    )
    if out is not None:
        found.report.save(Path(out))
    return found.report
