"""Trained runs and their post-hoc variants on the split that they are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.evaluation.compare import Result
from closegap.evaluation.posthoc_arms import posthoc_results
from closegap.evaluation.splits import Evaluated, evaluate_splits
from closegap.posthoc import PostHoc
from closegap.runs.log import Watching, unwatched


@dataclass(frozen=True)
class JudgedRuns:
    """Runs on the split that they are compared on.

    Args:
        runs: each run's embeddings and cases of the split.
        results: an arm each, the post-hoc variants after all trained ones.
    """

    runs: Sequence[Evaluated]
    results: Sequence[Result]


def judge_runs(
    runs: Sequence[Path],
    split: str,
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
    watching: Watching = unwatched,
) -> JudgedRuns:
    """Each run's embeddings of the split, and post-hoc methods fitted on its train split."""
    found: list[Evaluated] = []
    moved: list[Result] = []
    for number, run in enumerate(runs, start=1):
        with watching(f"run {number} of {len(runs)}") as watcher:
            judged, *train = evaluate_splits(run, [split, "train"] if methods else [split], overrides, watcher)
        found.append(judged)
        if methods:
            moved += posthoc_results(_result(judged), train[0].embeddings, methods)
    return JudgedRuns(found, [*map(_result, found), *moved])


def _result(found: Evaluated) -> Result:
    return Result(found.arm, found.seed, found.embeddings)
