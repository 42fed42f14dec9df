"""Parsers of the verbs."""

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter, Namespace

from closegap.errors import UsageError
from closegap.runs.messages import parse_message


class VerbHelp(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Help that leaves the lines of the description as they are: they hold commands to copy."""


def verb_parser(verb: str, description: str) -> ArgumentParser:
    """A parser whose errors are raised rather than printed with the usage."""
    return ArgumentParser(
        prog=f"closegap {verb}", description=description, formatter_class=VerbHelp, exit_on_error=False
    )


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parsed arguments.

    Raises:
        UsageError: one line on what was given and what was expected.
    """
    try:
        return parser.parse_args(list(arguments))
    except (ArgumentError, TypeError, ValueError) as error:
        raise UsageError(f"{parse_message(error)}; see `{parser.prog} --help`") from error


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


def free_folder(folder: Path, marker: str, advice: str) -> None:
    """Refuse to write over what is already there.

    Raises:
        UsageError: `folder` holds `marker`.
    """
    if (folder / marker).exists():
        raise UsageError(f"{folder}: already holds {marker}; {advice}")


def as_path(value: Any) -> Path:
    """A path from a parsed argument."""
    return Path(str(value))
