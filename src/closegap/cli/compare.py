"""closegap compare: runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from closegap.cli.arguments import parse_with_overrides, verb_parser
from closegap.cli.console import Bars, say
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.results import print_tables
from closegap.studies.compare_runs import compare_runs

_DESCRIPTION = """Evaluate runs on the same split and put them side by side, seeds of one arm averaged, differences from
the first run's arm paired and with intervals. Writes report.json and report.html.

  closegap compare runs/clip-seed0 runs/clip-seed1 runs/ours-seed0 runs/ours-seed1 --out runs/comparison
  closegap compare runs/clip-seed0 runs/ours-seed0 --posthoc all --out runs/comparison

Post-hoc methods are fitted on each run's train split and stand in the table as arms of their own."""


def main(arguments: Sequence[str]) -> None:
    """Compare runs."""
    parser = verb_parser("compare", _DESCRIPTION)
    parser.add_argument("runs", type=Path, nargs="+", help="run folders; the first one's arm is the baseline")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json and report.html")
    parser.add_argument("--split", type=str, default="test", help="train, validation or test")
    parser.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    parser.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    given, overrides = parse_with_overrides(parser, arguments)
    found = compare_runs(
        given.runs,
        given.split,
        given.out,
        metrics=chosen_metrics(given.metrics),
        overrides=overrides,
        methods=chosen_methods(given.posthoc),
        watching=Bars,
    )
    print_tables(found.comparison)
    say(f"report: {found.page}")
