"""What is wrong with a config or a command, in one line: the dotted key, what was given, what was expected."""

import inspect
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module

from closegap.values import shown

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
    return f"{key}: {path} takes no {argument!r}; it takes {', '.join(_parameters(path)) or 'nothing'}"


def _parameters(path: str) -> list[str]:
    """Names of a class's arguments; the class was imported already, when the parser refused the argument."""
    module, _, name = path.rpartition(".")
    found = getattr(import_module(module), name)
    constructor = getattr(found, "__init__") if isinstance(found, type) else found  # noqa: B009  # mypy: unsound
    known = list(inspect.signature(constructor).parameters.values())[isinstance(found, type) :]
    return [one.name for one in known if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _no_class(_: list[str], key: str, path: str, reason: str) -> str:
    return f"{key}: class_path {path!r} cannot be imported ({reason}); expected package.module.Class"


def _wrong_class(_: list[str], key: str, path: str, base: str) -> str:
    return f"{key}: class_path {path!r} is no {base}; expected the import path of one"


def _not_imported(_: list[str], key: str, path: str) -> str:
    return f"{key}: {path} is not imported, since no class_path of the config names it; write class_path: {path}"


def _wrong_type(_: list[str], key: str, expected: str, given: str) -> str:
    if choices := re.fullmatch(r"typing\.Literal\[(.+)\]", expected):
        expected = choices[1].replace(", ", " or ")
    return f"{key}: {_short(given)} given, expected {_TYPES.get(expected, expected)}"


def _wrong_union(_: list[str], key: str, types: str, given: str) -> str:
    plain = re.sub(r"typing\.Annotated\[(\w+), .*?\)\]", r"<class '\1'>", types)  # bounds are for numbers
    plain = re.sub(r"typing\.Literal\[(.+?)\]", r"\1", plain)
    expected = [_TYPES.get(name, name) for name in plain.split(", ")]
    return f"{key}: {_short(given)} given, expected {' or '.join(expected)}"


def _no_subclass(_: list[str], key: str, base: str, given: str) -> str:
    return f"{key}: {_short(given)} given, expected class_path, the import path of a {base}"


def _no_path(_: list[str], key: str, given: str) -> str:
    return f"{key}: {given!r:.60} given, expected the import path of a class, package.module.Class"


def _no_section(_: list[str], key: str, given: str) -> str:
    return f"{key}: {given!r:.60} given, expected keys and values"


def _short(given: str) -> str:
    """What was given, of which the parser says no more than its text."""
    return "null" if given == "None" else shown(given)


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
    (_KEY + r"Unable to load config '(.*?)' - Parser key", _no_section),
    (_KEY + r"Expected a dot import path string: ?(.*)", _no_path),
    (_KEY + r"Not a valid subclass of (\w+)\. Got value: (.*) Subclass types expect", _no_subclass),
    (_KEY + r"Expected an? (.+)\. Got value: (.*)", _wrong_type),
    (
        _KEY + r"Does not validate against any of the Union subtypes Subtypes: \[(.+?)\] .*Given value: (.*)",
        _wrong_union,
    ),
    (r"^the following arguments are required: (.+)", _required),
)
