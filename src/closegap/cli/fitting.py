"""What `posthoc` and `scores` share: a class named by --method, fitted on one file of embeddings, kept in another."""

from argparse import ArgumentParser as PlainParser
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.arguments import add_out, free, parse, verb_parser
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.embeddings import EmbeddingSet


def fit_parser(verb: str, description: str, rows: str) -> ArgumentParser:
    """What fitting takes, whatever is fitted; `rows` is the option that names the embeddings."""
    parser = verb_parser(verb, description)
    parser.add_argument("--method", type=str, required=True, help="a name, or a class as package.module.Class")
    parser.add_argument(f"--{rows}", type=Path, required=True, help="the set of embeddings to fit on")
    add_out(parser, "the .safetensors file to write")
    return parser


def parsed_fit(
    arguments: Sequence[str], verb: str, description: str, rows: str, found: Callable[[str], type[Any]]
) -> tuple[str, Any, Namespace]:
    """The name after --method, an unfitted object of its class with the settings that were given, and all options.

    Args:
        arguments: of the command line.
        verb: as it is typed.
        description: of the verb, where no method is named; its own docstring otherwise.
        rows: see `fit_parser`.
        found: the class of a name.

    Raises:
        UsageError: no method is named, no such method, options that it does not have.
    """
    name = _named(arguments)
    if name is None:
        parse(fit_parser(verb, description, rows), arguments)
        raise UsageError(f"--method: not given; see `closegap {verb} --help`")
    kind = class_of(name, found)
    explained = cleandoc(kind.__doc__ or "").partition("\n\nArgs:")[0]  # they are the options' help
    parser = fit_parser(f"{verb} --method {name}", explained, rows)
    try:
        settings = parser.add_class_arguments(kind, None)
    except ValueError as error:
        raise UsageError(f"--method {name}: its settings cannot be options ({error}); rename them") from error
    given = parse(parser, arguments)
    return name, kind(**{setting: given[setting] for setting in settings}), given


def class_of(name: str, found: Callable[[str], type[Any]]) -> type[Any]:
    """The class of a name, by what finds it.

    Raises:
        UsageError: none has it.
    """
    try:
        return found(name)
    except UsageError as error:
        raise UsageError(f"--method {error}") from error


def add_method(parser: ArgumentParser) -> None:
    """The option that trusts the class in a file of somebody's own."""
    parser.add_argument(
        "--method", type=str | None, default=None, help="the class that the file holds, which must be trusted by name"
    )


def read_rows(path: Path) -> tuple["EmbeddingSet", list[str]]:
    """The embeddings of a file as unit vectors, and what has to be said of them."""
    from closegap.embeddings import EmbeddingSet
    from closegap.embeddings.unit_norm import unit_norm

    return unit_norm(EmbeddingSet.load(path))


def check_out(given: Namespace, suffix: str, *inputs: Path) -> None:
    """Refuse an --out that ends otherwise, or would take the place of what is read."""
    out = given.out
    if out.suffix != suffix:
        raise UsageError(f"--out {out}: expected a file that ends in {suffix}")
    if any(out.exists() and path.exists() and out.samefile(path) for path in inputs):
        raise UsageError(f"--out {out}: is also what is read; write to another file")
    if out.resolve() in {path.with_suffix(".parquet").resolve() for path in inputs}:
        raise UsageError(f"--out {out}: is the table of what is read; write to another file")
    free(given)


def tell(notes: Sequence[str], line: str) -> None:
    """Print what has to be said, and what was done last."""
    from closegap.cli.console import console

    for text in (*notes, line):
        console().print(text, markup=False)


def _named(arguments: Sequence[str]) -> str | None:
    """What --method is given, before the options that depend on it can be parsed."""
    parser = PlainParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", nargs="?")
    name: str | None = parser.parse_known_args(list(arguments))[0].method
    return name
