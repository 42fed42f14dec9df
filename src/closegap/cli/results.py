"""From trained runs to a comparison on disk and in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from closegap.cli.console import Bars, console
from closegap.errors import UsageError
from closegap.report.compare import Comparison, Result, compare
from closegap.report.measures import EXTENTS
from closegap.report.page import write_comparison
from closegap.report.table import terminal_tables
from closegap.train.evaluate import Evaluated, evaluate
from closegap.train.log import read_metrics
from closegap.train.run import CONFIG, read_config

Metrics: TypeAlias = Literal["quick", "tasks", "all"]
METRICS_HELP = "quick: gap and retrieval; tasks: mixed search and grouping too; all: probes, geometry, hubness too"


def evaluate_runs(runs: Sequence[Path], split: str, overrides: Sequence[str]) -> list[Evaluated]:
    """Each run's embeddings of the split, also kept in its folder."""
    found = []
    for number, run in enumerate(runs, start=1):
        with Bars(f"run {number} of {len(runs)}") as bars:
            found.append(evaluate(run, split, overrides, bars))
        found[-1].embeddings.save(run / "embeddings" / f"{split}.safetensors")
    return found


def compare_runs(
    runs: Sequence[Path], split: str, out: Path, title: str, metrics: Metrics = "all", overrides: Sequence[str] = ()
) -> Path:
    """Evaluate and compare runs, write report.json and report.html to `out`, print the tables; the path of the page."""
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("the same run is given twice; name each run once")
    _one_run_a_seed(runs)
    evaluated = evaluate_runs(runs, split, overrides)
    histories: dict[str, list[list[dict[str, object]]]] = {}
    for run, found in zip(runs, evaluated, strict=True):
        histories.setdefault(found.arm, []).append(read_metrics(run / "metrics.jsonl"))
    comparison = measured(evaluated, metrics)
    page = write_comparison(comparison, out, title, evaluated[0].cases, histories)
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


def measured(evaluated: Sequence[Evaluated], metrics: Metrics) -> Comparison:
    """The comparison of evaluated runs, with progress."""
    results = [Result(found.arm, found.seed, found.embeddings) for found in evaluated]
    with Bars("measuring") as bars:
        return compare(results, data={"split": evaluated[0].split}, families=EXTENTS[metrics], progress=bars.work)


def print_tables(comparison: Comparison) -> None:
    """The arms' key metrics in the terminal."""
    out = console()
    tables = terminal_tables(
        comparison.report, width=out.width, baseline=comparison.baseline, differences=comparison.differences
    )
    out.print(tables)
