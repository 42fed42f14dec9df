"""closegap evaluate: one run on one split."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.cli.arguments import add_out, free, parse_with_overrides, verb_parser
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, Metrics
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.evaluation.compare import Comparison
    from closegap.evaluation.report import Report

_DESCRIPTION = """Measure a run on a split: gap with its floor, cosines with their null, retrieval over the full
gallery, 95% intervals by group; of a run with a decoder also the captions it writes, beside two baselines. Writes a
report.json and prints the tables.

  closegap evaluate runs/a --split test --out runs/a/test.json
  closegap evaluate runs/a --posthoc all --out runs/a/posthoc.json

Post-hoc methods are fitted on the run's train split."""


def parser() -> ArgumentParser:
    """What the evaluation takes."""
    found = verb_parser("evaluate", _DESCRIPTION)
    found.add_argument("run", type=Path, help="the run's folder")
    found.add_argument("--split", type=str, default="test", help="train, validation or test")
    add_out(found, "the JSON file to write")
    found.add_argument("--metrics", type=Metrics, default="all", help=METRICS_HELP)
    found.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    return found


def main(arguments: Sequence[str]) -> None:
    """Evaluate a run."""
    given, overrides = parse_with_overrides(parser(), arguments)
    if given.out.suffix != ".json":
        raise UsageError(f"--out {given.out}: expected a file that ends in .json")
    free(given)
    from closegap.cli.console import say
    from closegap.cli.results import judge_runs, measured
    from closegap.cli.tables import print_tables

    methods = chosen_methods(given.posthoc)
    comparison = measured(judge_runs([given.run], given.split, overrides, methods), given.metrics)
    captions = _captions(given.run, given.split, overrides)
    report = comparison.report if captions is None else _together(comparison.report, captions.report)
    report.save(given.out)
    for found in (comparison, captions):
        if found is not None:
            print_tables(found)
    say(f"report: {given.out}")


def _captions(run: Path, split: str, overrides: Sequence[str]) -> "Comparison | None":
    """Scores of the captions, both baselines beside them, if the run has a decoder and the split has captions."""
    from closegap.caption import Generation, Scoring
    from closegap.cli.caption import split_cases
    from closegap.cli.captioned import caption_runs, compared
    from closegap.runs.run import read_config

    if read_config(run, overrides).captioning.decoder is None:
        return None
    scoring = Scoring()
    return compared(caption_runs([run], split_cases(split), Generation(), scoring, (), overrides), split, scoring)


def _together(embeddings: "Report", captions: "Report") -> "Report":
    """The run's arm with what was measured of its embeddings and of its captions; then the captions' baselines."""
    from closegap.evaluation.report import Arm, Report

    scores = {arm.name: arm.metrics for arm in captions.arms}
    arms = [Arm(arm.name, {**arm.metrics, **scores.pop(arm.name, {})}) for arm in embeddings.arms]
    arms += [Arm(name, metrics) for name, metrics in scores.items()]
    return Report(arms, [*embeddings.skipped, *captions.skipped], {**captions.data, **embeddings.data})
