"""A checkpoint that several towers are parts of, loaded once while somebody holds it."""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

Whole = TypeVar("Whole")

_HELD: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()


def held(library: str, name: str, load: Callable[[], Whole]) -> Whole:
    """What `load` gives, or gave before, as long as an earlier caller still holds it.

    Towers keep their part of it alone: whoever makes several of them holds the whole meanwhile, and it is read once.

    Args:
        library: whose checkpoint it is.
        name: that it is loaded by.
        load: reads it.
    """
    found: Whole | None = _HELD.get((library, name))
    if found is None:
        found = _HELD[library, name] = load()
    return found
