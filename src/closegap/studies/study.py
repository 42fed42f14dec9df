"""Several arms, several seeds, one comparison."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from closegap.calibration import Calibration
from closegap.metrics.base import Metric
from closegap.posthoc import PostHoc
from closegap.report.page import Compared
from closegap.runs.config import Layer
from closegap.runs.log import Watching, unwatched
from closegap.scores import ScoreStage
from closegap.studies.compare_runs import compare_runs
from closegap.studies.plan import arm_plans
from closegap.studies.train_all import Finished, train_all
from closegap.training.claim import claimed


def study(
    configs: Sequence[Layer],
    arms: Sequence[Layer],
    out: Path,
    *,
    seeds: Sequence[int] = (0,),
    split: str = "test",
    overrides: Sequence[str] = (),
    title: str = "Arms compared",
    metrics: Sequence[Metric] | None = None,
    methods: Mapping[str, PostHoc] | None = None,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: str = "train",
    calibration: Calibration | None = None,
    fit_on: str = "train",
    watching: Watching = unwatched,
    finished: Finished | None = None,
    cases: bool = True,
    corrected_arms: Collection[str] | None = None,
) -> Compared:
    """Train every arm with every seed where it is not trained yet, compare them, write the page.

    Args:
        configs: YAML files or mappings of a run; later ones win.
        arms: a YAML file or a mapping each, laid over them; the first is the baseline.
        out: the folder of the runs and the report.
        seeds: of the runs.
        split: what the runs are compared on; it must have cases before anything is trained.
        overrides: dotted options on top of all.
        title: of the page.
        metrics: what is measured.
        methods: post-hoc methods, as arms of their own.
        stages: score stages, beside each of these arms.
        reference: the split of each run that stages and calibrations are fitted on.
        calibration: settings of what is fitted for each arm and measured; None for nothing.
        fit_on: the split of each run that post-hoc methods are fitted on.
        watching: who is told how it goes.
        finished: told of each run that was trained.
        cases: whether the page shows cases; see `compare_runs`.
        corrected_arms: the arms that methods and stages are tried on; all by default.

    Raises:
        UsageError: a config that is none, or two runs of one arm and seed.
        DataError: a split without cases.
        ClosegapError: a run's folder holds another config, or another command writes there.
    """
    plans = arm_plans(configs, arms, seeds, out, overrides)
    with claimed(out, "study"):
        train_all(plans, [split], watching, finished)
        return compare_runs(
            list(plans),
            split,
            out,
            title=title,
            metrics=metrics,
            methods=methods,
            stages=stages,
            reference=reference,
            calibration=calibration,
            fit_on=fit_on,
            watching=watching,
            cases=cases,
            corrected_arms=corrected_arms,
        )
