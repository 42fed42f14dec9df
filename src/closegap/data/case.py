"""Cases, and rows that are none."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Case:
    """One case: a figure with its captions, a patient's visit with images, reports and a record.

    Args:
        id: unique in its data set.
        split: "train", "validation" or "test".
        group: what must never cross splits (article, patient).
        views: modality name to its raw items, one or several (two captions of one figure); a missing modality has no
            key. The source's `kinds` say what an item is.
        labels: label name to label, for grouping and probes; never shown to an encoder.
        concepts: what the case is about, as concept ids; overlap grades relevance.
        where: file and row of the table that says so; "" where there is none. It has no part in equality.
    """

    id: str
    split: str
    group: str
    views: Mapping[str, tuple[Any, ...]]
    labels: Mapping[str, str] = field(default_factory=dict)
    concepts: tuple[str, ...] = ()
    where: str = field(default="", compare=False)

    @property
    def named(self) -> str:
        """How messages name it: where it stands, and its id.

        Example:
            >>> Case("c7", "train", "p1", {}, where="cases.csv, line 8").named
            "cases.csv, line 8, case 'c7'"
        """
        return ", ".join(filter(None, [self.where, f"case '{self.id}'"]))


@dataclass(frozen=True)
class BrokenRow:
    """A row that is no case.

    Args:
        reason: a short fixed key, counted ("image missing", "empty caption", "duplicate id").
        where: file and row.
        message: what was given, what was expected, what to do.
    """

    reason: str
    where: str
    message: str

    def within(self, root: Path | None) -> "BrokenRow":
        """The row with its paths relative to the data's folder, where it has one."""
        return replace(self, where=within(root, self.where), message=within(root, self.message))


def within(root: Path | None, text: str) -> str:
    """The text with the paths in it relative to the data's folder: that of a home may hold a name.

    Example:
        >>> within(Path("/home/ann/data"), "/home/ann/data/images/7.png: no such image")
        'images/7.png: no such image'
    """
    return text if root is None else text.replace(f"{root}{os.sep}", "")


Row: TypeAlias = Case | BrokenRow
