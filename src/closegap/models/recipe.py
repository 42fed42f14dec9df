"""What a part of a model was built from, remembered so that it can be built again elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, Self, TypeVar

from closegap.checked import Checked
from closegap.errors import ClosegapError, UsageError

_OWN = "closegap.models"
_CONSTRUCTOR = "__init__"
_PLAIN = (str, int, float, bool, type(None))

Part = TypeVar("Part")


@dataclass(frozen=True)
class Recipe:
    """A class and what its constructor was given.

    Args:
        class_path: where the class is imported from.
        arguments: by name, as JSON has them; None where they cannot be written down.
        problem: why they cannot.
    """

    class_path: str
    arguments: Mapping[str, Any] | None
    problem: str = ""

    @classmethod
    def of(cls, built: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "Recipe":
        """The recipe of an object of class `built` that is constructed from these arguments."""
        path = class_path(built)
        if "." in built.__qualname__:
            return cls(path, None, "its class is defined inside another or inside a function; define it in a module")
        try:
            bound = signature(getattr(built, _CONSTRUCTOR)).bind(None, *args, **kwargs)
        except TypeError as error:  # its constructor says so, too, or this is a copy whose recipe comes with its state
            return cls(path, None, str(error))
        bound.apply_defaults()  # defaults may change
        arguments: dict[str, Any] = {}
        for parameter in list(bound.signature.parameters.values())[1:]:
            value = bound.arguments[parameter.name]
            if parameter.kind is Parameter.VAR_KEYWORD:
                arguments |= value
            elif parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL):
                return cls(path, None, f"its constructor takes {parameter.name} by position; let it be named")
            else:
                arguments[parameter.name] = value
        try:
            return cls(path, as_json(arguments))
        except ClosegapError as error:
            return cls(path, None, str(error))

    def written(self) -> Mapping[str, Any]:
        """The arguments.

        Raises:
            ClosegapError: they cannot be written down.
        """
        if self.arguments is None:
            raise ClosegapError(f"{self.class_path} cannot be saved: {self.problem}")
        return self.arguments


class Recorded(Checked):
    """Keeps the recipe of whatever inherits from it.

    It is noted before any constructor runs, so that subclasses need not know of it, and it travels with copies.
    """

    recipe: Recipe

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An object that is not yet constructed, with its recipe."""
        made = super().__new__(cls, *args, **kwargs)
        object.__setattr__(made, "recipe", Recipe.of(cls, args, kwargs))  # a module is no module before its __init__
        return made


def as_json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the arguments with lists for tuples, as JSON gives them back.

    Raises:
        ClosegapError: a value that JSON has no form for; names it.

    Example:
        >>> as_json({"widths": (8, 16), "name": "vit"})
        {'widths': [8, 16], 'name': 'vit'}
    """
    for name, value in arguments.items():
        strange = _strange(value)
        if strange is not None:
            raise ClosegapError(
                f"its argument {name} holds a {type(strange).__name__}, expected text, numbers, or lists and "
                "mappings of them"
            )
    copy: dict[str, Any] = json.loads(json.dumps(arguments))
    return copy


def _strange(value: Any) -> Any:
    """What in a value JSON has no equal form for; None where there is nothing."""
    if isinstance(value, Mapping):
        found = [key for key in value if not isinstance(key, str)] + [_strange(item) for item in value.values()]
    elif isinstance(value, list | tuple):
        found = [_strange(item) for item in value]
    else:
        return None if type(value) in _PLAIN else value
    return next((item for item in found if item is not None), None)


def class_path(found: type) -> str:
    """Where to import a class from: for our own the package, whose modules may move."""
    public = getattr(import_module(_OWN), found.__name__, None)
    return f"{_OWN}.{found.__name__}" if public is found else f"{found.__module__}.{found.__qualname__}"


def trusted(path: str, others: Sequence[str], where: str) -> str:
    """The class path, if it may be imported: it is one of ours, or among `others`.

    Args:
        path: a class path that a file names.
        others: what the caller trusts beside ours.
        where: what names it, for the error.

    Raises:
        UsageError: it may not.
    """
    if not isinstance(path, str) or not (path.startswith(f"{_OWN}.") or path in others):
        raise UsageError(f"{where}: names {path}, which is not trusted; if you trust it, load with trusted=['{path}']")
    return path


def trusted_class(path: str, base: type[Part], others: Sequence[str], where: str) -> type[Part]:
    """The class of that path; nothing is imported that is neither ours nor among `others`.

    Raises:
        UsageError: a class that is not trusted.
        ClosegapError: no such class, or none of `base`.
    """
    module, _, name = trusted(path, others, where).rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (AttributeError, ImportError) as error:
        raise ClosegapError(f"{where}: {path} cannot be imported ({error}); install what defines it") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ClosegapError(f"{where}: {path} is no {base.__name__}")
    return found
