"""closegap posthoc: fit a method on train embeddings, apply it to others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.cli.arguments import add_out, parse, verb_parser
from closegap.cli.fitting import add_method, check_out, class_of, fit_parser, parsed_fit, read_rows, tell
from closegap.errors import UsageError
from closegap.posthoc import method_summaries

if TYPE_CHECKING:
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
    return {"fit": lambda: fit_parser("posthoc fit", _described(), "train"), "apply": _apply_parser}[action]()


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
    name, unfitted, given = parsed_fit(arguments, "posthoc fit", _described(), "train", _method)
    check_out(given, ".safetensors", given.train)
    from closegap.api.bars import Bars

    train, notes = read_rows(given.train)
    with Bars("fitting") as bars:
        fitted = unfitted.fit(train, bars.work)
    fitted.save(given.out)
    line = f"{given.out}: {name} of {', '.join(train.modalities)}, fitted on {len(train.ids)} rows"
    tell([*notes, *fitted.notes], line)


def _apply(arguments: Sequence[str]) -> None:
    given = parse(_apply_parser(), arguments)
    check_out(given, ".safetensors", given.file, given.set)
    method = _loaded(given.file, given.method)
    embeddings, notes = read_rows(given.set)
    moved = method.apply(embeddings, in_sample=given.in_sample)
    moved.save(given.out)
    tell(notes, f"{given.out}: {len(moved.ids)} rows of {', '.join(moved.modalities)}")
    if moved.meta.get("in_sample"):
        tell([], "in-sample: the method was fitted on rows of this set, which its meta says")


def _apply_parser() -> ArgumentParser:
    parser = verb_parser("posthoc apply", _DESCRIPTION)
    parser.add_argument("file", type=Path, help="a method that `closegap posthoc fit` wrote")
    parser.add_argument("set", type=Path, help="the set of embeddings to apply it to")
    add_out(parser, "the .safetensors file to write")
    add_method(parser)
    parser.add_argument("--in-sample", action="store_true", help="allow rows that the method was fitted on")
    return parser


def _method(name: str) -> type["PostHoc"]:
    from closegap.posthoc import method_class

    return method_class(name)


def _loaded(file: Path, name: str | None) -> "PostHoc":
    from closegap.posthoc import PostHoc

    found: PostHoc = PostHoc.load(file) if name is None else class_of(name, _method).load(file)
    return found
