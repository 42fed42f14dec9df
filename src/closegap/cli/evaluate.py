"""closegap evaluate: one run on one split."""

from collections.abc import Sequence
from pathlib import Path

from closegap.caption import Generation
from closegap.cli.arguments import parse_with_overrides, verb_parser
from closegap.cli.caption import split_cases
from closegap.cli.captioned import Scoring, caption_runs, compared
from closegap.cli.console import say
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.results import judge_runs, measured, print_tables
from closegap.errors import UsageError
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Report
from closegap.runs.run import read_config

_DESCRIPTION = """Measure a run on a split: gap with its floor, cosines with their null, retrieval over the full
gallery, 95% intervals by group; of a run with a decoder also the captions it writes, beside two baselines. Writes a
report.json and prints the tables.

  closegap evaluate runs/a --split test --out runs/a/test.json
  closegap evaluate runs/a --posthoc all --out runs/a/posthoc.json

Post-hoc methods are fitted on the run's train split."""


def main(arguments: Sequence[str]) -> None:
    """Evaluate a run."""
    parser = verb_parser("evaluate", _DESCRIPTION)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--split", type=str, default="test", help="train, validation or test")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    parser.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    given, overrides = parse_with_overrides(parser, arguments)
    if given.out.suffix != ".json":
        raise UsageError(f"--out {given.out}: expected a file that ends in .json")
    methods, metrics = chosen_methods(given.posthoc), chosen_metrics(given.metrics)
    comparison = measured(judge_runs([given.run], given.split, overrides, methods), metrics)
    captions = _captions(given.run, given.split, overrides)
    report = comparison.report if captions is None else _together(comparison.report, captions.report)
    report.save(given.out)
    for found in (comparison, captions):
        if found is not None:
            print_tables(found)
    say(f"report: {given.out}")


def _captions(run: Path, split: str, overrides: Sequence[str]) -> Comparison | None:
    """Scores of the captions, both baselines beside them, if the run has a decoder and the split has captions."""
    if read_config(run, overrides).captioning.decoder is None:
        return None
    scoring = Scoring()
    return compared(caption_runs([run], split_cases(split), Generation(), scoring, (), overrides), split, scoring)


def _together(embeddings: Report, captions: Report) -> Report:
    """The run's arm with what was measured of its embeddings and of its captions; then the captions' baselines."""
    scores = {arm.name: arm.metrics for arm in captions.arms}
    arms = [Arm(arm.name, {**arm.metrics, **scores.pop(arm.name, {})}) for arm in embeddings.arms]
    arms += [Arm(name, metrics) for name, metrics in scores.items()]
    figures = {**embeddings.figures, **captions.figures}
    return Report(arms, [*embeddings.skipped, *captions.skipped], {**captions.data, **embeddings.data}, figures)
