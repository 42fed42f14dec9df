"""Trained runs and their post-hoc variants on the split that they are compared on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.calibration import Calibration
from closegap.errors import UsageError
from closegap.evaluation.calibrating import calibrated
from closegap.evaluation.compare import Result
from closegap.evaluation.posthoc_arms import Correction, corrected
from closegap.evaluation.report import Skipped
from closegap.evaluation.splits import Evaluated, evaluate_splits
from closegap.posthoc import PostHoc
from closegap.runs.log import Watching, unwatched
from closegap.scores import ScoreStage


@dataclass(frozen=True)
class JudgedRuns:
    """Runs on the split that they are compared on.

    Args:
        runs: each run's embeddings and cases of the split.
        results: an arm each: the trained ones, then these after their last steps where other checkpoints are judged,
            then post-hoc variants, then those with score stages.
        fitted_on: the splits that `methods` and `stages` are fitted on, where there are any.
        skipped: arms that could not be fitted, with the reason; once for all seeds that share it.
    """

    runs: Sequence[Evaluated]
    results: Sequence[Result]
    fitted_on: Mapping[str, str]
    skipped: Sequence[Skipped]


def judge_runs(
    runs: Sequence[Path],
    split: str,
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
    watching: Watching = unwatched,
    *,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: str = "train",
    calibration: Calibration | None = None,
    fit_on: str = "train",
    at_end: bool = False,
    corrected_arms: Collection[str] | None = None,
) -> JudgedRuns:
    """Each run's embeddings of the split, and what can be done without training.

    Args:
        runs: their folders.
        split: what they are compared on.
        overrides: of the runs' configs.
        methods: post-hoc methods, fitted on each run's `fit_on`.
        watching: who is told how it goes.
        stages: score stages, fitted on each run's `reference`.
        reference: a split.
        calibration: settings of what is fitted for each arm on each run's `reference`; None for nothing.
        fit_on: a split. Pairs that a run was trained on agree better than new ones do, which misleads what is fitted
            on them.
        at_end: beside the checkpoints that runs are judged by, compare them after their last steps.
        corrected_arms: the arms that methods and stages are tried on; all by default.

    Raises:
        UsageError: `fit_on` is the split that is judged, or calibrations would be fitted on what is judged or on what
            something else was fitted on.
    """
    if calibration is not None:
        _expect_unseen(reference, split, fit_on if methods else None)
    if methods and fit_on == split:
        raise UsageError(f"--fit-on {fit_on}: is what the runs are compared on; fit on another split")
    found: list[Evaluated] = []
    trained: list[Result] = []
    moved: list[Result] = []
    staged: list[Result] = []
    skipped: list[Skipped] = []
    fitted = [*([fit_on] if methods else []), *([reference] if stages or calibration is not None else [])]
    splits = list(dict.fromkeys([split, *fitted]))
    with watching("runs judged") as watcher:
        for number, run in enumerate(runs, start=1):
            of_splits = dict(zip(splits, evaluate_splits(run, splits, overrides, watcher, at_end=at_end), strict=True))
            found.append(of_splits[split])
            train, fitted_on = (of_splits.get(name, found[-1]).embeddings for name in (fit_on, reference))
            trained.append(_result(found[-1]))
            if (methods or stages) and (corrected_arms is None or found[-1].arm in corrected_arms):
                correction = Correction(methods or {}, stages or {}, train, fitted_on, calibration=calibration)
                made = corrected(trained[-1], correction)
                moved, staged = [*moved, *made.moved.values()], [*staged, *made.staged]
                skipped += made.skipped
            if calibration is not None:
                trained[-1] = calibrated(trained[-1], calibration, fitted_on)
            watcher.work(number, len(runs))
    fitted_on_splits = ({"methods": fit_on} if methods else {}) | ({"stages": reference} if stages else {})
    results = [*trained, *_at_end(found), *moved, *staged]
    return JudgedRuns(found, results, fitted_on_splits, list(dict.fromkeys(skipped)))


def _expect_unseen(reference: str, split: str, fit_on: str | None) -> None:
    """Refuse to calibrate on pairs that agree better than new ones, or on those that the calibration is judged by.

    Raises:
        UsageError: what the reference is besides.
    """
    besides = {"train": "is what the runs were trained on", split: "is what the runs are compared on"}
    if reference in besides:
        raise UsageError(
            f"--reference {reference}: {besides[reference]}, and a calibration wants other pairs; "
            "name another split, as with --reference validation"
        )
    if reference == fit_on:
        raise UsageError(
            f"--reference {reference}: is what post-hoc methods are fitted on, and a calibration wants other pairs; "
            "fit the methods on another split, as with --fit-on train"
        )


def _result(found: Evaluated) -> Result:
    return Result(found.arm, found.seed, found.embeddings, against=found.control)


def _at_end(found: Sequence[Evaluated]) -> list[Result]:
    """The arms after their last steps, beside one another; none where these are what is judged anyway."""
    steps = [run for run in found if run.at_end is not None]
    if all(run.at_end is not None and run.at_end.meta["step"] == run.embeddings.meta["step"] for run in steps):
        return []
    first = found[0].arm
    return [
        Result(_after(run.arm), run.seed, run.at_end, against="" if run.arm == first else _after(run.control or first))
        for run in steps
        if run.at_end is not None
    ]


def _after(arm: str) -> str:
    return f"{arm}, last step"
