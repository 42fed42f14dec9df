"""closegap evaluate: one run on one split."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.cli.arguments import add_out, free, parse_with_overrides, verb_parser
from closegap.cli.curves import add_calibrate, chosen_calibration
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.stages import REFERENCE_HELP, SCORES_HELP, chosen_stages
from closegap.errors import UsageError

_DESCRIPTION = """Measure a run on a split: gap with its floor, cosines with their null, retrieval over the full
gallery, 95% intervals by group; of a run with a decoder also the captions it writes, beside two baselines. Writes a
report.json and prints the tables.

  closegap evaluate runs/a --split test --out runs/a/test.json
  closegap evaluate runs/a --posthoc all --scores all --out runs/a/posthoc.json

Post-hoc methods and score stages are fitted on the run's train split, or on those of --fit-on and --reference.

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What the evaluation takes."""
    found = verb_parser("evaluate", _DESCRIPTION)
    found.add_argument("run", type=Path, help="the run's folder")
    found.add_argument("--split", type=str, default="test", help="train, validation or test")
    add_out(found, "the JSON file to write")
    found.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    found.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    found.add_argument("--scores", type=str, nargs="+", default=[], help=SCORES_HELP)
    found.add_argument("--reference", type=str, default="train", help=REFERENCE_HELP)
    add_calibrate(found, "--reference, which is then to be named: validation")
    found.add_argument("--fit-on", type=str, default="train", help="the split that post-hoc methods are fitted on")
    return found


def main(arguments: Sequence[str]) -> None:
    """Evaluate a run."""
    given, overrides = parse_with_overrides(parser(), arguments)
    if given.out.suffix != ".json":
        raise UsageError(f"--out {given.out}: expected a file that ends in .json")
    free(given)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables
    from closegap.studies.evaluate_run import evaluate_run

    found = evaluate_run(
        given.run,
        given.split,
        metrics=chosen_metrics(given.metrics),
        overrides=overrides,
        methods=chosen_methods(given.posthoc),
        stages=chosen_stages(given.scores),
        reference=given.reference,
        calibration=chosen_calibration(given.calibrate),
        fit_on=given.fit_on,
        watching=Bars,
    )
    found.report.save(given.out)
    for comparison in found.comparisons:
        print_tables(comparison)
    say(f"report: {given.out}")
