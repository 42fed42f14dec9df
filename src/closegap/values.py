"""What is wrong with a value, by the type that a signature gives it."""

import inspect
import sys
import types
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import Parameter
from math import isfinite
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from closegap.bounds import Bound

_WORDS = {bool: "true or false", float: "a number", int: "a whole number", str: "text", Path: "a path"}
_LONGEST = 60  # characters of a value that a message shows
_CLASS, _ARGUMENTS = "class_path", "init_args"
_CONSTRUCTOR = "__init__"


def problems(value: Any, hint: Any, path: str, default: Any = Parameter.empty) -> Iterator[str]:
    """What is wrong with a value of a config or a call, a line each; nothing where all is well.

    Args:
        value: of a config: numbers, texts, lists and mappings of them, among them `class_path` with `init_args`, which
            are looked at by the signature of the class if it was imported. Other objects are taken as they are.
        hint: the annotation.
        path: the dotted key of the value.
        default: what it is where the key is left out.

    Example:
        >>> from closegap.bounds import Rate
        >>> list(problems({"image": 0.1, "text": -1}, dict[str, Rate], "train.tower_lr"))
        ['train.tower_lr.text: -1 given, expected a number above 0, at most 1000']
        >>> list(problems(None, float, "train.lr", 0.001))
        ['train.lr: null given, expected a number; leave the key out for its default 0.001']
    """
    if isinstance(value, Namespace):
        value = vars(value)
    if get_origin(hint) is Annotated and not _bounds(hint):
        hint = get_args(hint)[0]
    if value is None:
        if not _takes_null(hint):
            yield _refused(value, hint, path) + _advice(default)
    elif _is_open(hint):
        yield from _not_finite(value, path)
    elif _is_union(hint):
        yield from _of_union(value, hint, path)
    elif get_origin(hint) is Literal or get_origin(hint) is Annotated or hint in _WORDS:
        if not _admits(hint, value):
            yield _refused(value, hint, path)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, hint, path)
    elif isinstance(value, list | tuple):
        yield from _of_list(value, hint, path)
    elif isinstance(value, bool | Real) or (isinstance(value, str) and (not value.strip() or _holds_several(hint))):
        yield _refused(value, hint, path)


def problems_of_arguments(given: Mapping[str, Any], taken: Callable[..., Any], path: str) -> Iterator[str]:
    """What is wrong with the arguments of a call, a line each; those that it does not take are passed over.

    Args:
        given: name to value.
        taken: a class or a function.
        path: what comes before the arguments' names.
    """
    try:
        parameters = inspect.signature(getattr(taken, _CONSTRUCTOR) if isinstance(taken, type) else taken).parameters
    except (TypeError, ValueError):  # written in C
        return
    for name, value in given.items():
        found = parameters.get(name)
        if found is not None and found.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            yield from problems(value, found.annotation, f"{path}.{name}", found.default)


def shown(value: Any) -> str:
    """A value as a config writes it, on one line, shortened.

    Example:
        >>> shown(None), shown(True), shown("a"), shown([1] * 99)[:12]
        ('null', 'true', "'a'", '[1, 1, 1, 1,')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:
        return "a number of more digits than a line holds"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def words(hint: Any) -> str:
    """What a type expects, in words.

    Example:
        >>> words(int | None), words(Literal["best", "last"]), words(list[float])
        ('a whole number or null', "'best' or 'last'", 'a list')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is types.NoneType:
        return "null"
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is Annotated:
        return " ".join([words(arguments[0]), *map(str, _bounds(hint))])
    if _is_union(hint):
        return " or ".join(dict.fromkeys(words(one) for one in arguments))
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin is tuple and Ellipsis not in arguments:
        return f"a list of {len(arguments)}"
    if _is_list(hint):
        return "a list"
    return "keys and values" if _is_mapping(hint) or is_dataclass(hint) else "a class_path, with its init_args"


def _of_union(value: Any, hint: Any, path: str) -> Iterator[str]:
    found = [list(problems(value, one, path)) for one in get_args(hint) if one is not types.NoneType]
    if all(found):
        inside = [lines for lines in found if not lines[0].startswith(f"{path}: ")]
        yield from inside[0] if inside else [_refused(value, hint, path)]


def _of_mapping(value: Mapping[str, Any], hint: Any, path: str) -> Iterator[str]:
    if is_typeddict(hint):
        for key, inner in get_type_hints(hint).items():
            if key in value:
                yield from problems(value[key], inner, f"{path}.{key}")
            elif key in hint.__required_keys__:
                yield f"{path}.{key}: not given, expected {words(inner)}"
    elif _CLASS in value:
        yield from _of_class(value, path)
    elif _is_mapping(hint):
        _, inner = get_args(hint) or (str, Any)
        for key, item in value.items():
            yield from problems(item, inner, f"{path}.{key}")
    elif is_dataclass(hint):
        assert isinstance(hint, type)
        yield from problems_of_arguments(value, hint, path)
    elif hint in _WORDS or _is_list(hint):
        yield _refused(value, hint, path)


def _of_class(value: Mapping[str, Any], path: str) -> Iterator[str]:
    where, given = value[_CLASS], value.get(_ARGUMENTS, {})
    given = vars(given) if isinstance(given, Namespace) else given
    if not isinstance(where, str):
        yield f"{path}.{_CLASS}: {shown(where)} given, expected the import path of a class"
    elif not isinstance(given, Mapping):
        yield f"{path}.{_ARGUMENTS}: {shown(given)} given, expected keys and values"
    else:
        module, _, name = where.rpartition(".")
        taken = getattr(sys.modules.get(module), name, None)
        if callable(taken):
            yield from problems_of_arguments(given, taken, path)


def _of_list(value: Sequence[Any], hint: Any, path: str) -> Iterator[str]:
    arguments = get_args(hint)
    if not _is_list(hint):
        yield _refused(value, hint, path)
    elif get_origin(hint) is tuple and Ellipsis not in arguments:
        if len(value) != len(arguments):
            yield _refused(value, hint, path)
        else:
            for number, (item, inner) in enumerate(zip(value, arguments, strict=True), start=1):
                yield from problems(item, inner, f"{path}, item {number}")
    else:
        for number, item in enumerate(value, start=1):
            yield from problems(item, arguments[0] if arguments else Any, f"{path}, item {number}")


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """What is not finite among the numbers of something that nobody says the type of."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, start=1):
            yield from _not_finite(item, f"{path}, item {number}")
    elif isinstance(value, float) and not isfinite(value):
        yield f"{path}: {shown(value)} given, expected a finite number"


def _admits(hint: Any, value: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return isinstance(value, str | int) and value in get_args(hint)
    if origin is Annotated:
        return _admits(get_args(hint)[0], value) and all(bound.admits(value) for bound in _bounds(hint))
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, Real) and _is_finite(value)
    if hint is int:
        return isinstance(value, Integral)
    return isinstance(value, str | PathLike if hint is Path else hint)


def _is_finite(value: Real) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _refused(value: Any, hint: Any, path: str) -> str:
    return f"{path}: {shown(value)} given, expected {words(hint)}"


def _advice(default: Any) -> str:
    if isinstance(default, str | int | float | tuple) and default != "":
        said = default if isinstance(default, str) else shown(default)
        return f"; leave the key out for its default {said}"
    return "" if default is Parameter.empty else "; leave the key out"


def _takes_null(hint: Any) -> bool:
    return _is_open(hint) or hint is types.NoneType or (_is_union(hint) and any(map(_takes_null, get_args(hint))))


def _is_open(hint: Any) -> bool:
    """Whether the hint says nothing: there is none, it says `Any`, or is a name that was not looked up."""
    return hint is Any or hint is object or hint is Parameter.empty or isinstance(hint, str)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _is_list(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset) and not issubclass(origin, str)


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    return is_typeddict(hint) or (isinstance(origin, type) and issubclass(origin, Mapping))


def _holds_several(hint: Any) -> bool:
    return _is_list(hint) or _is_mapping(hint) or is_dataclass(hint)


def _bounds(hint: Any) -> list[Bound]:
    return [one for one in hint.__metadata__ if isinstance(one, Bound)]
