"""closegap scores: fit a score stage, search one index of several modalities with it, say what a score is worth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveInt
from closegap.cli.arguments import add_out, parse, verb_parser
from closegap.cli.calibration import calibrate, calibrate_parser, explain, explain_parser
from closegap.cli.fitting import add_method, check_out, class_of, fit_parser, parsed_fit, read_rows, tell
from closegap.errors import UsageError
from closegap.scores import STAGES

if TYPE_CHECKING:
    from closegap.scores import ScoreStage

_DESCRIPTION = """Close the gap in the scores. A stage is fitted on reference embeddings, which need neither labels nor
pairs: a train or validation split, or the archive itself. Items of one modality keep their order; what changes is how
the modalities are merged into one list. `apply` searches all modalities of the targets from each item of the queries
and writes the first k: query, query_modality, rank, id, modality, score.

  closegap scores fit --method standardise --reference validation.safetensors --out stage.safetensors
  closegap scores apply stage.safetensors queries.safetensors archive.safetensors -k 10 --out found.parquet
  closegap scores fit --method my_package.Mine --reference validation.safetensors --out mine.safetensors
  closegap scores apply mine.safetensors queries.safetensors archive.safetensors --method my_package.Mine \\
    --out found.parquet
  closegap scores calibrate validation.safetensors --out calibration.safetensors
  closegap scores explain calibration.safetensors --query text --target image --cosine 0.27"""

_OPTIONS_OF = "`closegap scores fit --method NAME --help` lists a stage's own options."


def parser(action: str) -> ArgumentParser:
    """What each action takes; a stage's own options come with its name."""
    parsers = {
        "fit": lambda: fit_parser("scores fit", _described(), "reference"),
        "apply": _apply_parser,
        "calibrate": calibrate_parser,
        "explain": explain_parser,
    }
    return parsers[action]()


def main(arguments: Sequence[str]) -> None:
    """Fit or apply a stage, fit or ask a calibration."""
    actions = {"fit": _fit, "apply": _apply, "calibrate": calibrate, "explain": explain}
    action = arguments[0] if arguments else ""
    if action in ("-h", "--help"):
        parse(verb_parser("scores fit|apply|calibrate|explain", _described()), ["--help"])
    if action not in actions:
        raise UsageError(f"scores '{action}': expected fit, apply, calibrate or explain; see `closegap scores --help`")
    actions[action](arguments[1:])


def _described() -> str:
    stages = "\n".join(f"  {name:<12} {summary}" for name, summary in STAGES.summaries().items())
    return f"{_DESCRIPTION}\n\n{stages}\n\n{_OPTIONS_OF}"


def _fit(arguments: Sequence[str]) -> None:
    name, unfitted, given = parsed_fit(arguments, "scores fit", _described(), "reference", STAGES.found)
    check_out(given, ".safetensors", given.reference)
    reference, notes = read_rows(given.reference)
    fitted = unfitted.fit(reference)
    fitted.save(given.out)
    items = ", ".join(f"{number} {modality}" for modality, number in _items(fitted).items())
    tell(notes, f"{given.out}: {name}, fitted on {items}")


def _apply(arguments: Sequence[str]) -> None:
    given = parse(_apply_parser(), arguments)
    check_out(given, ".parquet", given.queries, given.targets)
    from closegap.scores.base.found import mixed_search, write_found
    from closegap.scores.base.stage import ScoreStage

    stage = (
        ScoreStage.load(given.file) if given.method is None else class_of(given.method, STAGES.found).load(given.file)
    )
    (queries, notes), (targets, further) = read_rows(given.queries), read_rows(given.targets)
    found = mixed_search(queries, targets, stage, given.k)
    write_found(given.out, found)
    tell([*notes, *further], f"{given.out}: the first {given.k} of {', '.join(targets.modalities)} for each query")


def _apply_parser() -> ArgumentParser:
    parser = verb_parser("scores apply", _DESCRIPTION)
    parser.add_argument("file", type=Path, help="a stage that `closegap scores fit` wrote")
    parser.add_argument("queries", type=Path, help="the set of embeddings that ask; every item asks by itself")
    parser.add_argument("targets", type=Path, help="the set of embeddings that is searched; an item is not its own")
    parser.add_argument("-k", type=PositiveInt, default=10, help="how many to write for each query")
    add_out(parser, "the .parquet file to write")
    add_method(parser)
    return parser


def _items(stage: "ScoreStage") -> dict[str, int]:
    return {} if stage.fitted is None else dict(stage.fitted.items)
