"""What is put into an archive: rows of cases, or of an embedding set, some cases at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.search.archive.about import Modality
from closegap.search.checks import OWN_KEYS
from closegap.search.filter import is_exact
from closegap.search.row import Row

CONTENT = "content"
"""Key of a payload: the digest of what was embedded, by which a row that is there already is known."""

_VIEW = "#"


@dataclass(frozen=True)
class Draft:
    """A row that has no vector yet.

    Args:
        row: what the index is to know of it.
        item: what is embedded.
    """

    row: Row
    item: Any


class Feed(ABC):
    """Where rows come from, in a fixed order.

    Attributes:
        modalities: name to what its items are, in order.
        labels: names of the labels among the payloads' keys.
        cases: how many there are.
    """

    modalities: Mapping[str, Modality]
    labels: tuple[str, ...]
    cases: int

    @abstractmethod
    def case_ids(self) -> Iterable[str]:
        """The ids of the cases."""

    @abstractmethod
    def pieces(self) -> Iterator[Mapping[str, Sequence[Draft]]]:
        """All rows of some cases, by modality, piece after piece; a case lies in one piece."""

    @abstractmethod
    def vectors(self, modality: str, items: Sequence[Any]) -> Float[np.ndarray, "n d"]:
        """Raw unit rows of items."""

    @abstractmethod
    def preview(self, modality: str, item: Any) -> bytes:
        """What is kept of an item to be shown; b"" for nothing."""


def row_id(case: str, view: int) -> str:
    """The id of a view's row: the case's own for its first view, and never that of another case.

    Example:
        >>> row_id("7", 0), row_id("7", 1), row_id("7#1", 0)
        ('7', '7#1', '7#1#0')
    """
    tail = case.rpartition(_VIEW)
    taken = bool(tail[1]) and tail[2].isdecimal()
    return f"{case}{_VIEW}{view}" if view or taken else case


def payload(split: str, labels: Mapping[str, str], concepts: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """What filters may ask of the rows of a case; what is missing is left out.

    Args:
        split: of the case; "" where there is none.
        labels: name to label.
        concepts: of the case.
        known: what else is, such as the columns of a record; what none of our keys has, labels before it.
    """
    found: dict[str, Any] = {"split": split} if split else {}
    found |= {"concepts": list(concepts)} if concepts else {}
    for name, value in (*labels.items(), *known.items()):
        if name not in (*OWN_KEYS, CONTENT, *found) and '"' not in name and _says(name) and _says(value):
            found[name] = value
    return found


def _says(value: Any) -> bool:
    """Whether a value says something, and an index can keep it."""
    if isinstance(value, str):
        return bool(value) and is_exact(value)
    return isinstance(value, int | float) and is_exact(value)
