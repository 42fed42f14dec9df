"""From trained runs to a comparison on disk and in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.cli.console import Bars
from closegap.cli.metrics import Metrics
from closegap.cli.tables import print_tables
from closegap.errors import UsageError
from closegap.evaluation.compare import Comparison, Result, compare
from closegap.evaluation.measures import EXTENTS
from closegap.evaluation.posthoc_arms import posthoc_results
from closegap.evaluation.splits import Evaluated, evaluate_splits
from closegap.posthoc import PostHoc
from closegap.report.page import write_comparison
from closegap.runs.log import read_metrics
from closegap.runs.run import CONFIG, read_config


@dataclass(frozen=True)
class Judged:
    """Runs on the split that they are compared on.

    Args:
        runs: each run's embeddings and cases of the split.
        results: an arm each, the post-hoc variants after all trained ones.
    """

    runs: Sequence[Evaluated]
    results: Sequence[Result]


def judge_runs(
    runs: Sequence[Path], split: str, overrides: Sequence[str], methods: Mapping[str, PostHoc] | None = None
) -> Judged:
    """Each run's embeddings of the split, also kept in its folder, and post-hoc methods fitted on its train split."""
    found: list[Evaluated] = []
    moved: list[Result] = []
    for number, run in enumerate(runs, start=1):
        with Bars(f"run {number} of {len(runs)}") as bars:
            judged, *train = evaluate_splits(run, [split, "train"] if methods else [split], overrides, bars)
        judged.embeddings.save(run / "embeddings" / f"{split}.safetensors")
        found.append(judged)
        if methods:
            moved += posthoc_results(_result(judged), train[0].embeddings, methods)
    return Judged(found, [*map(_result, found), *moved])


def _result(found: Evaluated) -> Result:
    return Result(found.arm, found.seed, found.embeddings)


def compare_runs(
    runs: Sequence[Path],
    split: str,
    out: Path,
    title: str,
    metrics: Metrics = "all",
    overrides: Sequence[str] = (),
    methods: Mapping[str, PostHoc] | None = None,
) -> Path:
    """Evaluate and compare runs, write report.json and report.html to `out`, print the tables; the path of the page."""
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("the same run is given twice; name each run once")
    _one_run_a_seed(runs)
    judged = judge_runs(runs, split, overrides, methods)
    histories: dict[str, list[list[dict[str, object]]]] = {}
    for run, found in zip(runs, judged.runs, strict=True):
        histories.setdefault(found.arm, []).append(read_metrics(run / "metrics.jsonl"))
    comparison = measured(judged, metrics)
    page = write_comparison(comparison, out, title, judged.runs[0].cases, histories)
    print_tables(comparison)
    return page


def _one_run_a_seed(runs: Sequence[Path]) -> None:
    """Refuse two settings under one name, which would be averaged as if they were seeds of one."""
    known: dict[tuple[str, int], Path] = {}
    for run in runs:
        config = read_config(run)
        arm = config.arm or run.name
        other = known.setdefault((arm, config.seed), run)
        if other != run:
            raise UsageError(
                f"{other} and {run}: both are seed {config.seed} of arm {arm!r}; "
                f"give one another name (`arm:` in {run / CONFIG})"
            )


def measured(judged: Judged, metrics: Metrics) -> Comparison:
    """The comparison of judged runs, with progress."""
    data = {"split": judged.runs[0].split}
    with Bars("measuring") as bars:
        return compare(judged.results, data=data, families=EXTENTS[metrics], progress=bars.work)
