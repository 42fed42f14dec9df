"""closegap compare: runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.cli.arguments import add_no_cases, add_out, free, parse_with_overrides, verb_parser
from closegap.cli.curves import add_calibrate, chosen_calibration
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.stages import REFERENCE_HELP, SCORES_HELP, chosen_stages
from closegap.runs.study_folder import expanded

_DESCRIPTION = """Evaluate runs on the same split and put them side by side, seeds of one arm averaged, differences from
the first run's arm paired and with intervals. Writes report.json and report.html.

  closegap compare runs/clip-seed0 runs/clip-seed1 runs/ours-seed0 runs/ours-seed1 --out runs/comparison
  closegap compare runs/clip-seed0 runs/ours-seed0 --posthoc all --out runs/comparison

Post-hoc methods and score stages are fitted on each run's train split, or on those of --fit-on and --reference; they
stand in the table as arms of their own. So do the arms after their last steps, where they are judged at others.

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What the comparison takes."""
    found = verb_parser("compare", _DESCRIPTION)
    found.add_argument(
        "runs", type=Path, nargs="+", help="folders of runs, or of studies; the first run's arm is the baseline"
    )
    add_out(found, "folder for report.json and report.html")
    found.add_argument("--split", type=str, default="test", help="train, validation or test")
    found.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    found.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    found.add_argument("--scores", type=str, nargs="+", default=[], help=SCORES_HELP)
    found.add_argument("--reference", type=str, default="train", help=REFERENCE_HELP)
    add_calibrate(found, "--reference, which is then to be named: validation")
    found.add_argument("--fit-on", type=str, default="train", help="the split that post-hoc methods are fitted on")
    add_no_cases(found)
    return found


def main(arguments: Sequence[str]) -> None:
    """Compare runs."""
    given, overrides = parse_with_overrides(parser(), arguments)
    free(given, "report.json", "report.html")
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables
    from closegap.studies.compare_runs import compare_runs

    found = compare_runs(
        expanded(given.runs),
        given.split,
        given.out,
        metrics=chosen_metrics(given.metrics),
        overrides=overrides,
        methods=chosen_methods(given.posthoc),
        stages=chosen_stages(given.scores),
        reference=given.reference,
        calibration=chosen_calibration(given.calibrate),
        fit_on=given.fit_on,
        watching=Bars,
        cases=not given.no_cases,
    )
    print_tables(found.comparison)
    say(f"report: {found.page}")
