"""closegap posthoc: fit a method on train embeddings, apply it to others."""

from argparse import ArgumentParser as PlainParser
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.arguments import add_out, free, parse, verb_parser
from closegap.errors import UsageError
from closegap.posthoc import method_summaries

if TYPE_CHECKING:
    from closegap.embeddings import EmbeddingSet
    from closegap.posthoc import PostHoc

_DESCRIPTION = """Close the gap after training. A method is fitted on train embeddings, kept in one file and applied to
other embeddings; applying it to rows that it was fitted on is refused unless --in-sample allows it.

  closegap posthoc fit --method shift --train train.safetensors --out shift.safetensors
  closegap posthoc apply shift.safetensors test.safetensors --out test-shifted.safetensors
  closegap posthoc fit --method my_package.Mine --train train.safetensors --out mine.safetensors
  closegap posthoc apply mine.safetensors test.safetensors --method my_package.Mine --out test-mine.safetensors"""

_OPTIONS_OF = "`closegap posthoc fit --method NAME --help` lists a method's own options."


def parser(action: str) -> ArgumentParser:
    """What `fit` and `apply` take; a method's own options come with its name."""
    return {"fit": lambda: _fit_parser("posthoc fit", _described()), "apply": _apply_parser}[action]()


def main(arguments: Sequence[str]) -> None:
    """Fit or apply a method."""
    actions = {"fit": _fit, "apply": _apply}
    action = arguments[0] if arguments else ""
    if action in ("-h", "--help"):
        parse(verb_parser("posthoc fit|apply", _described()), ["--help"])
    if action not in actions:
        raise UsageError(f"posthoc '{action}': expected fit or apply; see `closegap posthoc --help`")
    actions[action](arguments[1:])


def _described() -> str:
    methods = "\n".join(f"  {name:<12} {summary}" for name, summary in method_summaries().items())
    return f"{_DESCRIPTION}\n\n{methods}\n\n{_OPTIONS_OF}"


def _fit(arguments: Sequence[str]) -> None:
    name = _named(arguments)
    if name is None:
        parse(_fit_parser("posthoc fit", _described()), arguments)
        raise UsageError("--method: not given; see `closegap posthoc fit --help`")
    method = _method(name)
    explained = cleandoc(method.__doc__ or "").partition("\n\nArgs:")[0]  # they are the options' help
    parser = _fit_parser(f"posthoc fit --method {name}", explained)
    settings = _add_settings(parser, method, name)
    given = parse(parser, arguments)
    _check_out(given, given.train)
    from closegap.api.bars import Bars

    unfitted = method(**{setting: given[setting] for setting in settings})
    train, notes = _read(given.train)
    with Bars("fitting") as bars:
        fitted = unfitted.fit(train, bars.work)
    fitted.save(given.out)
    line = f"{given.out}: {name} of {', '.join(train.modalities)}, fitted on {len(train.ids)} rows"
    _tell([*notes, *fitted.notes], line)


def _apply(arguments: Sequence[str]) -> None:
    given = parse(_apply_parser(), arguments)
    _check_out(given, given.file, given.set)
    method = _loaded(given.file, given.method)
    embeddings, notes = _read(given.set)
    moved = method.apply(embeddings, in_sample=given.in_sample)
    moved.save(given.out)
    _tell(notes, f"{given.out}: {len(moved.ids)} rows of {', '.join(moved.modalities)}")
    if moved.meta.get("in_sample"):
        _tell([], "in-sample: the method was fitted on rows of this set, which its meta says")


def _apply_parser() -> ArgumentParser:
    parser = verb_parser("posthoc apply", _DESCRIPTION)
    parser.add_argument("file", type=Path, help="a method that `closegap posthoc fit` wrote")
    parser.add_argument("set", type=Path, help="the set of embeddings to apply it to")
    add_out(parser, "the .safetensors file to write")
    parser.add_argument(
        "--method", type=str | None, default=None, help="the class that the file holds, which must be trusted by name"
    )
    parser.add_argument("--in-sample", action="store_true", help="allow rows that the method was fitted on")
    return parser


def _named(arguments: Sequence[str]) -> str | None:
    """What --method is given, before the options that depend on it can be parsed."""
    parser = PlainParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", nargs="?")
    name: str | None = parser.parse_known_args(list(arguments))[0].method
    return name


def _method(name: str) -> type["PostHoc"]:
    from closegap.posthoc import method_class

    try:
        return method_class(name)
    except UsageError as error:
        raise UsageError(f"--method {error}") from error


def _fit_parser(verb: str, description: str) -> ArgumentParser:
    parser = verb_parser(verb, description)
    parser.add_argument("--method", type=str, required=True, help="a name, or a class as package.module.Class")
    parser.add_argument("--train", type=Path, required=True, help="the set of embeddings to fit on")
    add_out(parser, "the .safetensors file to write")
    return parser


def _add_settings(parser: ArgumentParser, method: type["PostHoc"], name: str) -> list[str]:
    """The names of the method's settings, now options of the parser."""
    try:
        added: list[str] = parser.add_class_arguments(method, None)
    except ValueError as error:
        raise UsageError(f"--method {name}: its settings cannot be options ({error}); rename them") from error
    return added


def _loaded(file: Path, name: str | None) -> "PostHoc":
    from closegap.posthoc import PostHoc

    return PostHoc.load(file) if name is None else _method(name).load(file)


def _read(path: Path) -> tuple["EmbeddingSet", list[str]]:
    from closegap.embeddings import EmbeddingSet
    from closegap.embeddings.unit_norm import unit_norm

    return unit_norm(EmbeddingSet.load(path))


def _check_out(given: Namespace, *inputs: Path) -> None:
    out = given.out
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: expected a file that ends in .safetensors")
    if any(out.exists() and path.exists() and out.samefile(path) for path in inputs):
        raise UsageError(f"--out {out}: is also what is read; write to another file")
    free(given)


def _tell(notes: Sequence[str], line: str) -> None:
    from closegap.cli.console import console

    for text in (*notes, line):
        console().print(text, markup=False)
