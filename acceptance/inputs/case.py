"""One input of the command line, and what may become of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Case:
    """A call of the command line, in the current folder, where its files lie.

    Args:
        arguments: from the verb on.
        expected: "refused" where success would be wrong, "taken" where refusal would be, "any" otherwise.
        wrong: after a success, what is wrong with its result; nothing if it is right.
        names: a refusal of what was asked must name this.
        call: what is called in place of the command line; a ClosegapError of it is a refusal.
    """

    arguments: Sequence[str]
    expected: Literal["any", "taken", "refused"] = "any"
    wrong: Callable[[], str] | None = None
    names: str = ""
    call: Callable[[], None] | None = None


@dataclass(frozen=True)
class Place:
    """Which input is made, and what sound things may be copied for it.

    Args:
        random: all that is drawn comes from it.
        number: of the input.
        sound: folder with a table, a run, a set and so on, relative to the current folder.
    """

    random: Random
    number: int
    sound: Path


Maker: TypeAlias = Callable[[Place], Case]
"""Writes an input's files into the current folder."""
