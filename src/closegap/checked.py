"""Classes that refuse arguments which are not what their signature says."""

from collections.abc import Mapping
from dataclasses import fields
from inspect import signature
from typing import Any, Self

from closegap.errors import UsageError
from closegap.values import problems, problems_of_arguments

_CONSTRUCTOR = "__init__"


class Checked:
    """Refuses numbers out of bounds, and what is of another type altogether, before any constructor runs.

    Subclasses, whoever writes them, need only say in the signature of their constructor what they take: see
    `closegap.bounds`.

    Example:
        >>> from closegap.bounds import Share
        >>> class Mixture(Checked):
        ...     def __init__(self, part: Share = 0.5) -> None:
        ...         self.part = part
        >>> Mixture(part=2)
        Traceback (most recent call last):
        closegap.errors.UsageError: Mixture.part: 2 given, expected a number from 0 to 1
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An object that is not yet constructed.

        Raises:
            UsageError: names the class, the argument, what was given and what was expected.
        """
        if (args or kwargs) and getattr(cls, _CONSTRUCTOR) is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        try:
            given = signature(getattr(cls, _CONSTRUCTOR)).bind(None, *args, **kwargs).arguments
        except TypeError:  # the constructor says so, too; or this is a copy, whose state comes later
            given = {}
        _expect(cls, given)
        return super().__new__(cls)


def check_fields(made: Any) -> None:
    """What `Checked` does, for the `__post_init__` of a dataclass of plain keys, which the parser wants without bases.

    Raises:
        UsageError: see `Checked`.
    """
    _expect(type(made), {field.name: getattr(made, field.name) for field in fields(made)})


def check_value(value: Any, hint: Any, name: str) -> None:
    """What `Checked` does, for one argument of a function.

    Raises:
        UsageError: names the argument, what was given and what was expected.
    """
    for problem in problems(value, hint, name):
        raise UsageError(problem)


def _expect(taken: type, given: Mapping[str, Any]) -> None:
    for problem in problems_of_arguments(given, taken, taken.__name__):
        raise UsageError(problem)
