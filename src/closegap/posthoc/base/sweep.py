"""How far a method goes: one of its settings, from doing nothing to the whole of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sweep:
    """A setting that takes a method from the original to its whole effect; an audit draws the line between them.

    Args:
        setting: name of the field.
        values: in order; at the first nothing moves, the last is the whole method.

    Example:
        >>> Sweep("fraction", (0.0, 0.5, 1.0)).between
        (0.5,)
    """

    setting: str
    values: tuple[Any, ...]

    @property
    def between(self) -> tuple[Any, ...]:
        """The values that are neither the original nor the whole."""
        return self.values[1:-1]
