"""Parsers of the verbs."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.help import VerbHelp
from closegap.errors import UsageError
from closegap.files import sweep
from closegap.runs.parsing import parsed


def verb_parser(verb: str, description: str) -> ArgumentParser:
    """A parser whose errors are raised rather than printed with the usage, and which takes no abbreviations."""
    return ArgumentParser(
        prog=f"closegap {verb}",
        description=description,
        formatter_class=VerbHelp,
        exit_on_error=False,
        allow_abbrev=False,
    )


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parsed arguments.

    Raises:
        UsageError: one line on what was given and what was expected.
    """
    given = [name.removeprefix("--") for action in parser._actions for name in action.option_strings]
    known = [name for name in given if name != "config"]  # a run's config, which has what is missing, is none here
    try:
        return parsed(parser, arguments, known=known, mark="--")
    except UsageError as error:
        raise UsageError(f"{error}; see `{parser.prog} --help`") from error


def parse_with_overrides(
    parser: ArgumentParser, arguments: Sequence[str], groups: Sequence[str] = ()
) -> tuple[Namespace, list[str]]:
    """Parsed arguments, and the dotted ones (`--data.root DIR`) that override a run's config.

    Args:
        parser: of the verb.
        arguments: from the command line.
        groups: whose dotted arguments are the verb's own.
    """
    own, overrides = [], []
    pending = list(arguments)
    while pending:
        argument = pending.pop(0)
        group, dot, _ = argument.partition("=")[0].removeprefix("--").partition(".")
        if argument.startswith("--") and dot and group not in groups:
            overrides.append(argument)
            if "=" not in argument and pending and not pending[0].startswith("--"):
                overrides.append(pending.pop(0))
        else:
            own.append(argument)
    return parse(parser, own), overrides


def add_out(parser: ArgumentParser, what: str) -> None:
    """Add `--out`, and `--overwrite` without which nothing that is there is replaced: see `free`.

    Args:
        parser: of a verb.
        what: is written there, for the help.
    """
    parser.add_argument("--out", type=Path, required=True, help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier call wrote there")


def add_no_cases(parser: ArgumentParser) -> None:
    """Add `--no-cases`, with which pages show nothing of any case.

    Args:
        parser: of a verb that writes a page.
    """
    parser.add_argument("--no-cases", action="store_true", help="no ids, labels, images or texts of cases on pages")


def free(given: Namespace, *files: str) -> None:
    """Refuse to write over what is there, unless `--overwrite` was given; sweep what a kill left of a file there.

    Args:
        given: arguments of a parser that `add_out` was called with.
        files: what the verb writes into the folder `--out`; none where `--out` is a file.

    Raises:
        UsageError: one of them exists.
    """
    if files and given.out.exists() and not given.out.is_dir():
        raise UsageError(f"--out {given.out}: is a file; expected a folder")
    for path in [given.out / name for name in files] or [given.out]:
        if path.exists() and not given.overwrite:
            raise UsageError(f"{path}: exists; replace it with --overwrite, or choose another --out")
    if not files:
        sweep(given.out.parent, escape(given.out.name))
