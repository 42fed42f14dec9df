"""What a person gave to a parser, every value looked at before anything is made of it."""

import re
from argparse import SUPPRESS, Action
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from closegap.errors import UsageError
from closegap.runs.config_file import expect_small
from closegap.runs.messages import parse_message
from closegap.values import problems, shown

_MISSING = object()
_REFUSALS = (ArgumentError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_OURS = "__"  # what jsonargparse puts into a config begins with it


def parsed(
    parser: ArgumentParser,
    arguments: Sequence[str],
    layers: Sequence[Mapping[str, Any]] = (),
    known: Sequence[str] = (),
    mark: str = "",
) -> Namespace:
    """Parsed arguments. jsonargparse sees to types; null, bounds and what is not finite are looked at here.

    Args:
        parser: of a config or a verb.
        arguments: from the command line.
        layers: what is in the files that the arguments name.
        known: the dotted keys there are, to suggest one for a key that does not exist.
        mark: what stands before a key in a message: `--` of an option.

    Raises:
        UsageError: one line on what was given and what was expected.
    """
    for layer in layers:
        _expect_plain(layer)
        for line in problems_of_config(parser, layer, mark):
            raise UsageError(line)
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option = argument if argument.startswith("-") or not before.startswith("--") else before
        expect_small(argument, f"{option.partition('=')[0]:.40}")
    try:
        given: Namespace = parser.parse_args(list(arguments))
    except _REFUSALS as error:
        # Classes that a file names are imported by now, so that their arguments can be looked at too.
        found = next((line for layer in layers for line in problems_of_config(parser, layer, mark)), None)
        raise UsageError(found or _narrowed(parse_message(error, known), layers)) from error
    for line in problems_of_config(parser, given, mark):
        raise UsageError(line)
    return given


def _narrowed(line: str, layers: Sequence[Mapping[str, Any]]) -> str:
    """The line with its key going on to the entry that is meant: of a mapping, jsonargparse names no entry.

    The entry is the only one that is, or holds, the first text that the line quotes.
    """
    key, colon, rest = line.partition(": ")
    quoted = re.search(r"'([^']+)'", rest)
    entries = next((found for layer in reversed(layers) if isinstance(found := _entries(layer, key), Mapping)), {})
    if quoted is None or "class_path" in entries:
        return line
    meant = [name for name, entry in entries.items() if quoted[1] in _texts(entry)]
    return f"{key}.{meant[0]}{colon}{rest}" if len(meant) == 1 else line


def _entries(layer: Mapping[str, Any], key: str) -> Any:
    """What a dotted key holds, in a file that may say `init_args` where the key does not."""
    value: Any = layer
    for part in key.split("."):
        if isinstance(value, Mapping) and part not in value:
            value = value.get("init_args")
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(entry: Any) -> list[Any]:
    """The entry itself, or the keys and values that it holds, those of its `init_args` included."""
    if not isinstance(entry, Mapping):
        return [entry]
    inner = entry.get("init_args")
    return [*entry, *entry.values(), *(inner if isinstance(inner, Mapping) else ())]


def _expect_plain(value: Any, path: str = "") -> None:
    """Refuse keys that only jsonargparse writes, and texts that would be huge once it reads them."""
    if isinstance(value, str):
        expect_small(value, path)
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner = f"{path}.{key}".removeprefix(".")
        if str(key).startswith(_OURS):
            raise UsageError(f"{inner}: no such key")
        _expect_plain(item, inner)


def problems_of_config(parser: ArgumentParser, given: Mapping[str, Any] | Namespace, mark: str = "") -> Iterator[str]:
    """What is wrong with the values of a config, whole or a part of it, a line each; unknown keys are passed over.

    Args:
        parser: whose keys these are.
        given: what a file holds, or what was parsed.
        mark: see `parsed`.
    """
    wrong = set()
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        if hint is None or action.default == SUPPRESS:  # it holds no value, as --loss.help
            continue
        section, value = _at(given, action.dest)
        if section is not None:  # a section that is none, which all its keys share
            if section not in wrong:
                yield f"{mark}{section}: {shown(value)} given, expected keys and values"
            wrong.add(section)
        elif value is not _MISSING and (value is not action.default or action.required):
            for item in value if isinstance(value, list) and _takes_several(action) else [value]:
                name = next(iter(action.option_strings), action.dest) if mark else action.dest
                yield from problems(item, hint, name, action.default)


def _at(given: Mapping[str, Any] | Namespace, key: str) -> tuple[str | None, Any]:
    """What a dotted key holds; or the name of a section above it that holds no keys, and what it holds."""
    value: Any = given
    parts = key.split(".")
    for number, part in enumerate(parts):
        inside = vars(value) if isinstance(value, Namespace) else value
        if not isinstance(inside, Mapping):
            return ".".join(parts[:number]), inside
        if part not in inside:
            return None, _MISSING
        value = inside[part]
    return None, value


def _takes_several(action: Action) -> bool:
    return action.nargs in ("+", "*") or isinstance(action.nargs, int)
