"""closegap scores: fit a score stage, search one index of several modalities with it, say what a score is worth."""

from argparse import ArgumentParser as PlainParser
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import PositiveInt
from closegap.cli.arguments import add_out, free, parse, verb_parser
from closegap.cli.calibration import calibrate, calibrate_parser, explain, explain_parser
from closegap.errors import UsageError
from closegap.scores import STAGES

if TYPE_CHECKING:
    from closegap.embeddings import EmbeddingSet
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
        "fit": lambda: _fit_parser("scores fit", _described()),
        "apply": _apply_parser,
        "calibrate": calibrate_parser,
        "explain": explain_parser,
    }
    return parsers[action]()


def main(arguments: Sequence[str]) -> None:
    """Fit or apply a stage, fit or ask a calibration."""
    actions = {"fit": _fit, "apply": _apply, "calibrate": _calibrate, "explain": _explain}
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
    name = _named(arguments)
    if name is None:
        parse(_fit_parser("scores fit", _described()), arguments)
        raise UsageError("--method: not given; see `closegap scores fit --help`")
    stage = _stage(name)
    explained = cleandoc(stage.__doc__ or "").partition("\n\nArgs:")[0]  # they are the options' help
    parser = _fit_parser(f"scores fit --method {name}", explained)
    try:
        settings = parser.add_class_arguments(stage, None)
    except ValueError as error:
        raise UsageError(f"--method {name}: its settings cannot be options ({error}); rename them") from error
    given = parse(parser, arguments)
    _check_out(given, ".safetensors", given.reference)
    unfitted = stage(**{setting: given[setting] for setting in settings})
    reference, notes = _read(given.reference)
    fitted = unfitted.fit(reference)
    fitted.save(given.out)
    items = ", ".join(f"{number} {modality}" for modality, number in _items(fitted).items())
    _tell(notes, f"{given.out}: {name}, fitted on {items}")


def _apply(arguments: Sequence[str]) -> None:
    given = parse(_apply_parser(), arguments)
    _check_out(given, ".parquet", given.queries, given.targets)
    from closegap.scores.base.found import mixed_search, write_found
    from closegap.scores.base.stage import ScoreStage

    stage = ScoreStage.load(given.file) if given.method is None else _stage(given.method).load(given.file)
    (queries, notes), (targets, further) = _read(given.queries), _read(given.targets)
    found = mixed_search(queries, targets, stage, given.k)
    write_found(given.out, found)
    _tell([*notes, *further], f"{given.out}: the first {given.k} of {', '.join(targets.modalities)} for each query")


def _calibrate(arguments: Sequence[str]) -> None:
    *notes, line = calibrate(arguments, _check_out)
    _tell(notes, line)


def _explain(arguments: Sequence[str]) -> None:
    *lines, last = explain(arguments)
    _tell(lines, last)


def _fit_parser(verb: str, description: str) -> ArgumentParser:
    parser = verb_parser(verb, description)
    parser.add_argument("--method", type=str, required=True, help="a name, or a class as package.module.Class")
    parser.add_argument("--reference", type=Path, required=True, help="the set of embeddings to fit on")
    add_out(parser, "the .safetensors file to write")
    return parser


def _apply_parser() -> ArgumentParser:
    parser = verb_parser("scores apply", _DESCRIPTION)
    parser.add_argument("file", type=Path, help="a stage that `closegap scores fit` wrote")
    parser.add_argument("queries", type=Path, help="the set of embeddings that ask; every item asks by itself")
    parser.add_argument("targets", type=Path, help="the set of embeddings that is searched; an item is not its own")
    parser.add_argument("-k", type=PositiveInt, default=10, help="how many to write for each query")
    add_out(parser, "the .parquet file to write")
    parser.add_argument(
        "--method", type=str | None, default=None, help="the class that the file holds, which must be trusted by name"
    )
    return parser


def _named(arguments: Sequence[str]) -> str | None:
    """What --method is given, before the options that depend on it can be parsed."""
    parser = PlainParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", nargs="?")
    name: str | None = parser.parse_known_args(list(arguments))[0].method
    return name


def _stage(name: str) -> type["ScoreStage"]:
    try:
        return STAGES.found(name)
    except UsageError as error:
        raise UsageError(f"--method {error}") from error


def _read(path: Path) -> tuple["EmbeddingSet", list[str]]:
    from closegap.embeddings import EmbeddingSet
    from closegap.embeddings.unit_norm import unit_norm

    return unit_norm(EmbeddingSet.load(path))


def _items(stage: "ScoreStage") -> dict[str, int]:
    return {} if stage.fitted is None else dict(stage.fitted.items)


def _check_out(given: Namespace, suffix: str, *inputs: Path) -> None:
    out = given.out
    if out.suffix != suffix:
        raise UsageError(f"--out {out}: expected a file that ends in {suffix}")
    if any(out.exists() and path.exists() and out.samefile(path) for path in inputs):
        raise UsageError(f"--out {out}: is also what is read; write to another file")
    tables = {path.with_suffix(".parquet").resolve() for path in inputs}
    if out.resolve() in tables:
        raise UsageError(f"--out {out}: is the table of what is read; write to another file")
    free(given)


def _tell(notes: Sequence[str], line: str) -> None:
    from closegap.cli.console import console

    for text in (*notes, line):
        console().print(text, markup=False)
