"""What is wrong with a config or a command, in one line: the dotted key, what was given, what was expected."""

import inspect
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from closegap.errors import UsageError

_NEAR = 0.8  # similarity, 0..1, from which a key is likely a slip of another
_TYPES = {
    "<class 'int'>": "a whole number",
    "<class 'float'>": "a number",
    "<class 'str'>": "text",
    "<class 'bool'>": "true or false",
    "<class 'NoneType'>": "null",
    "<class 'pathlib.Path'>": "a path",
}


def parse_message(error: Exception, known: Iterable[str] = ()) -> str:
    """The message of jsonargparse's error on one line, in the terms of the person who wrote the config.

    Args:
        error: what the parser raised.
        known: the dotted keys there are, to suggest one for a key that does not exist.
    """
    text = " ".join(str(error).split())
    while (joined := re.sub(_INSIDE, r'Parser key "\1.\2"', text)) != text:
        text = joined
    for pattern, say in _PATTERNS:
        if found := re.search(pattern, text):
            return say(list(known), *found.groups())
    return re.sub(r'^Parser key "([^"]+)"( element \d+)?: ', r"\1: ", text)


def check_config_file(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        UsageError: names the file, and the line where there is one.
    """
    if path.is_dir():
        raise UsageError(f"{path}: a folder; --config expects a YAML file")
    if not path.is_file():
        raise UsageError(f"{path}: no such file; --config expects a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}{place}: not YAML ({error.problem}); --config expects a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a text file in UTF-8; --config expects a YAML file") from error
    if content is None:
        raise UsageError(f"{path}: empty; expected keys and values, such as data: and model:")
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected keys and values, such as data: and model:, found {_kind(content)}")
    return content


def _kind(content: object) -> str:
    return "a list" if isinstance(content, list) else f"{content!r:.40}"


def _unknown_key(known: list[str], group: str, key: str) -> str:
    dotted = f"{group}.{key}"
    there = [name for name in known if name.startswith(f"{group}.")]
    near = get_close_matches(dotted, there, n=1, cutoff=_NEAR)
    return f"{dotted}: no such key; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(there)}")


def _unknown_top(known: list[str], key: str) -> str:
    there = dict.fromkeys(name.partition(".")[0] for name in known if name != "config")
    return f"{key}: no such key; there are {', '.join(there)}"


def _unknown_option(known: list[str], option: str) -> str:
    near = get_close_matches(option.lstrip("-"), known, n=1, cutoff=_NEAR)
    return f"{option}: no such option; " + (f"did you mean --{near[0]}?" if near else "--help lists them")


def _unknown_argument(_: list[str], key: str, path: str, argument: str) -> str:
    return f"{key}: {path} takes no {argument!r}; it takes {', '.join(_parameters(path))}"


def _parameters(path: str) -> list[str]:
    """Names of a class's arguments; the class was imported already, when the parser refused the argument."""
    module, _, name = path.rpartition(".")
    return list(inspect.signature(getattr(import_module(module), name)).parameters)


def _no_class(_: list[str], key: str, path: str, reason: str) -> str:
    return f"{key}: class_path {path!r} cannot be imported ({reason}); expected package.module.Class"


def _wrong_class(_: list[str], key: str, path: str, base: str) -> str:
    return f"{key}: class_path {path!r} is no {base}; expected the import path of one"


def _not_imported(_: list[str], key: str, path: str) -> str:
    return f"{key}: {path} is not imported, since no class_path of the config names it; write class_path: {path}"


def _wrong_type(_: list[str], key: str, expected: str, given: str) -> str:
    if choices := re.fullmatch(r"typing\.Literal\[(.+)\]", expected):
        expected = choices[1].replace(", ", " or ")
    return f"{key}: {given!r} given, expected {_TYPES.get(expected, expected)}"


def _wrong_union(_: list[str], key: str, types: str, given: str) -> str:
    expected = [_TYPES.get(name, name) for name in types.split(", ")]
    return f"{key}: {given!r} given, expected {' or '.join(expected)}"


def _required(known: list[str], keys: str) -> str:
    return f"not given: {keys}" + ("; name a config that has them with --config FILE" if "config" in known else "")


def _unknown_argument_of(known: list[str], key: str, argument: str, path: str) -> str:
    return _unknown_argument(known, key, path, argument)


def _no_class_for(known: list[str], key: str, reason: str, path: str) -> str:
    return _no_class(known, key, path, reason)


# A key of a class that a key names.
_INSIDE = r'Parser key "([^"]+)": Problem with given class_path \'[^\']+\': Parser key "([^"]+)"'
_KEY = r'Parser key "([^"]+)"(?: element \d+)?: '
_BUILDER = r'Parser key "([^"]+)":.*? expects a function or a callable class: '  # what builds a head, a decoder
_PATTERNS: tuple[tuple[str, Callable[..., str]], ...] = (
    (_KEY + r".*?Importing '([^']+)' is not allowed", _not_imported),
    (_BUILDER + r"Option '([^']+)' is not accepted\. Got value: Namespace\(class_path='([^']+)'", _unknown_argument_of),
    (_BUILDER + r"Expected '([^']+)' to be a subclass of <class '(\w+)'>", _wrong_class),
    (_BUILDER + r"(.+?)\. Got value: Namespace\(class_path='([^']+)'", _no_class_for),
    (r"^Group '([^']+)' does not accept option '([^']+)'", _unknown_key),
    (r"^Option '([^']+)' is not accepted", _unknown_top),
    (r"^unrecognized arguments: ([^ =]+)", _unknown_option),
    (_KEY + r"Problem with given class_path '([^']+)': Option '([^']+)' is not accepted", _unknown_argument),
    (_KEY + r"Problem with given class_path '([^']+)': ((?:module|No module) .+)", _no_class),
    (_KEY + r"Import path (\S+) does not correspond to a subclass of (\w+)", _wrong_class),
    (_KEY + r"Expected an? (.+)\. Got value: (.*)", _wrong_type),
    (
        _KEY + r"Does not validate against any of the Union subtypes Subtypes: \[(.+?)\] .*Given value: (.*)",
        _wrong_union,
    ),
    (r"^the following arguments are required: (.+)", _required),
)
