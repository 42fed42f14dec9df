"""Trained runs and their post-hoc variants on the split that they are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.evaluation.compare import Result
from closegap.evaluation.posthoc_arms import Correction, corrected
from closegap.evaluation.splits import Evaluated, evaluate_splits
from closegap.posthoc import PostHoc
from closegap.runs.log import Watching, unwatched
from closegap.scores import ScoreStage


@dataclass(frozen=True)
class JudgedRuns:
    """Runs on the split that they are compared on.

    Args:
        runs: each run's embeddings and cases of the split.
        results: an arm each: the trained ones, then post-hoc variants, then those with score stages.
    """

    runs: Sequence[Evaluated]
    results: Sequence[Result]


def judge_runs(
    runs: Sequence[Path],
    split: str,
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
    watching: Watching = unwatched,
    *,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: str = "train",
) -> JudgedRuns:
    """Each run's embeddings of the split, and what can be done without training.

    Args:
        runs: their folders.
        split: what they are compared on.
        overrides: of the runs' configs.
        methods: post-hoc methods, fitted on each run's train split.
        watching: who is told how it goes.
        stages: score stages, fitted on each run's `reference`.
        reference: a split.
    """
    found: list[Evaluated] = []
    moved: list[Result] = []
    staged: list[Result] = []
    splits = list(dict.fromkeys([split, *(["train"] if methods else []), *([reference] if stages else [])]))
    for number, run in enumerate(runs, start=1):
        with watching(f"run {number} of {len(runs)}") as watcher:
            of_splits = dict(zip(splits, evaluate_splits(run, splits, overrides, watcher), strict=True))
        found.append(of_splits[split])
        if methods or stages:
            train, fitted_on = (of_splits.get(name, found[-1]).embeddings for name in ("train", reference))
            made = corrected(_result(found[-1]), Correction(methods or {}, stages or {}, train, fitted_on))
            moved, staged = [*moved, *made.moved.values()], [*staged, *made.staged]
    return JudgedRuns(found, [*map(_result, found), *moved, *staged])


def _result(found: Evaluated) -> Result:
    return Result(found.arm, found.seed, found.embeddings, against=found.control)
