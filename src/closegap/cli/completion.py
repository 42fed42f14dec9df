"""What a shell needs to complete verbs and options."""

from argparse import SUPPRESS, Action, ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import shtab

from closegap.cli.verbs import VERBS
from closegap.errors import UsageError


def completion(shell: str) -> str:
    """The script that completes `closegap` in a shell.

    Raises:
        UsageError: a shell that is not known.
    """
    if shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(f"--print-completion '{shell}': expected one of {', '.join(shtab.SUPPORTED_SHELLS)}")
    return str(shtab.complete(_everything(), shell))


def _everything() -> ArgumentParser:
    """One parser with all verbs, made for its options alone."""
    top = ArgumentParser("closegap")
    top.add_argument("--version", action="store_true", help="print the version")
    top.add_argument("--print-completion", choices=shtab.SUPPORTED_SHELLS, help="print what a shell needs")
    verbs = top.add_subparsers()
    for name, verb in VERBS.items():
        module: Any = import_module(f"closegap.cli.{name}")
        branch = verbs.add_parser(name, help=verb.does, description=verb.does)
        if not verb.actions:
            _copy(module.parser(), branch)
            continue
        actions = branch.add_subparsers()
        for action in verb.actions:
            _copy(module.parser(action), actions.add_parser(action, help=f"{name} {action}"))
    return top


def _copy(source: ArgumentParser, target: ArgumentParser) -> None:
    for action in source._actions:
        if action.help is SUPPRESS or "--help" in action.option_strings:
            continue
        names = [name for name in action.option_strings if name.startswith("--")] or [action.dest]
        flag = action.nargs == 0
        kept: dict[str, Any] = {"action": "store_true"} if flag else {"nargs": action.nargs, "choices": action.choices}
        copied = target.add_argument(*names, help=(action.help or "").replace("%", "%%"), **kept)
        if not flag and _names_a_file(action):
            copied.complete = shtab.FILE  # type: ignore[attr-defined]


def _names_a_file(action: Action) -> bool:
    hint = getattr(action, "_typehint", None) or action.type
    return hint is Path or Path in get_args(hint)
