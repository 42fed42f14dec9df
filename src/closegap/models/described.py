"""Preparations that programs without closegap can do the work of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Input:
    """A tensor that a tower takes.

    Args:
        name: what a graph calls it.
        dtype: as numpy names it.
        axes: the first is the items, "n"; a name is a length that varies, a number one that does not.
    """

    name: str
    dtype: str
    axes: tuple[str | int, ...]


@dataclass(frozen=True)
class Preparation:
    """How raw items become the tensors that a tower takes.

    Args:
        inputs: in the order of the leaves of what the preparer makes.
        steps: what is done, as JSON has it.
    """

    inputs: tuple[Input, ...]
    steps: Mapping[str, Any]


@runtime_checkable
class Described(Protocol):
    """A preparer that says what it does, so that a program in any language can do it."""

    @property
    def examples(self) -> Sequence[Any]:
        """Two items or more, of different lengths where lengths vary, to try an exported tower on."""
        ...

    def described(self, folder: Path) -> Preparation:
        """What it does; files that it takes, such as a tokenizer, are written into `folder`, which is there."""
        ...
