"""Trained runs side by side."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from closegap.calibration import Calibration
from closegap.data.duplicates import duplicates
from closegap.errors import UsageError
from closegap.evaluation.collapse import collapse_notes
from closegap.evaluation.compare import Comparison, compare
from closegap.evaluation.runs import JudgedRuns, judge_runs
from closegap.lock import locked
from closegap.metrics.base import Metric
from closegap.posthoc import PostHoc
from closegap.report.page import Compared, write_comparison
from closegap.runs.config import CONFIG, read_config
from closegap.runs.log import Watching, read_metrics, unwatched
from closegap.scores import ScoreStage


def compare_runs(
    runs: Sequence[Path],
    split: str,
    out: Path,
    *,
    title: str = "Arms compared",
    metrics: Sequence[Metric] | None = None,
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: str = "train",
    calibration: Calibration | None = None,
    fit_on: str = "train",
    watching: Watching = unwatched,
    cases: bool = True,
    corrected_arms: Collection[str] | None = None,
) -> Compared:
    """Evaluate runs on a split, put them side by side, write report.json and report.html.

    Args:
        runs: their folders; the first one's arm is the baseline.
        split: train, validation or test.
        out: the folder to write.
        title: of the page.
        metrics: what is measured.
        overrides: of the runs' configs (`--data.root DIR`).
        methods: post-hoc methods, as arms of their own.
        stages: score stages, beside each of these arms.
        reference: the split of each run that stages and calibrations are fitted on.
        calibration: settings of what is fitted for each arm and measured; None for nothing.
        fit_on: the split of each run that post-hoc methods are fitted on.
        watching: who is told how it goes.
        cases: whether the page shows cases; a run with `train.show_cases: false` hides them all the same.
        corrected_arms: the arms that methods and stages are tried on; all by default.

    Raises:
        UsageError: a run twice, two settings of one name, or runs of different cases.
        ClosegapError: another command writes to `out`.
    """
    if len({os.path.realpath(run) for run in runs}) < len(runs):  # no error of a link that leads to itself
        raise UsageError("the same run is given twice; name each run once")
    configs = [read_config(run) for run in runs]
    _one_run_a_seed(runs, configs)
    with locked(out, "compare"):
        judged = judge_runs(
            runs,
            split,
            overrides,
            methods,
            watching,
            stages=stages,
            reference=reference,
            calibration=calibration,
            fit_on=fit_on,
            at_end=True,
            corrected_arms=corrected_arms,
        )
        histories: dict[str, list[list[dict[str, object]]]] = {}
        for run, found in zip(runs, judged.runs, strict=True):
            histories.setdefault(found.arm, []).append(read_metrics(run / "metrics.jsonl"))
        comparison = measured(judged, metrics, watching)
        shown = judged.runs[0].cases if cases and all(config.train.show_cases for config in configs) else None
        page = write_comparison(comparison, out, title, shown, judged.runs[0].kinds, histories)
    return Compared(page, comparison)


def measured(judged: JudgedRuns, metrics: Sequence[Metric] | None = None, watching: Watching = unwatched) -> Comparison:
    """The comparison of judged runs."""
    with watching("measuring") as watcher:
        first = judged.runs[0]
        shared = {name: {"cases": count} for name, count in duplicates(first.cases, first.kinds).items()}
        data: dict[str, Any] = {"split": first.split}
        data |= {"duplicates": shared} if shared else {}
        data |= {"fitted_on": dict(judged.fitted_on)} if judged.fitted_on else {}
        found = compare(judged.results, data=data, metrics=metrics, progress=watcher.work)
        notes = collapse_notes(found.sets)
        data = {**found.report.data, **({"notes": notes} if notes else {})}
        return replace(found, report=replace(found.report, skipped=[*found.report.skipped, *judged.skipped], data=data))


def _one_run_a_seed(runs: Sequence[Path], configs: Sequence[Namespace]) -> None:
    """Refuse two settings under one name, which would be averaged as if they were seeds of one."""
    known: dict[tuple[str, int], Path] = {}
    for run, config in zip(runs, configs, strict=True):
        arm = config.arm or run.name
        other = known.setdefault((arm, config.seed), run)
        if other != run:
            raise UsageError(
                f"{other} and {run}: both are seed {config.seed} of arm {arm!r}; "
                f"give one another name (`arm:` in {run / CONFIG})"
            )
