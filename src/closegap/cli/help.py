"""Help as a person reads it: what an option is in words, what it is by default, and nothing else."""

import types
from argparse import SUPPRESS, Action, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from jsonargparse import DefaultHelpFormatter

_WORDS = {bool: "true or false", float: "number", int: "whole number", Path: "path", str: "text"}
_UNSAID = (None, False, "", SUPPRESS)  # defaults that say nothing


class VerbHelp(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Help that leaves the lines of the description as they are: they hold commands to copy."""

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        hint = getattr(action, "_typehint", None) or action.type
        notes = ["required"] if action.required and action.option_strings else []
        if hint is not None and action.option_strings:
            shown = hint is bool or get_origin(hint) is Literal  # in the option's own place
            notes += set() if shown else {type_words(hint)} - {"path", "text"}
        if action.option_strings and action.default not in _UNSAID and isinstance(action.default, str | int | float):
            notes.append(f"default {action.default}")
        said = "; ".join(filter(None, notes))
        return text.replace("%", "%%") + (f" ({said})" if said else "")


def type_words(hint: Any) -> str:
    """A type as a person calls it.

    Example:
        >>> type_words(int | None), type_words(Literal["best", "last"]), type_words(list[float])
        ('whole number', 'best or last', 'list of number')
    """
    if hint in _WORDS:
        return _WORDS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([type_words(arguments[0]), *map(str, arguments[1:])])
    if origin is Literal:
        return " or ".join(str(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(inner) for inner in arguments if inner is not types.NoneType)
    if origin is tuple:
        return ", ".join(type_words(inner) for inner in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{type_words(arguments[0])} to {type_words(arguments[1])}"
    if origin is list:
        return f"list of {type_words(arguments[0])}"
    return "class path" if isinstance(hint, type) or origin is not None else ""
