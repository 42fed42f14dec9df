"""Cases, and sources of cases."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
            key. Items are what an encoder's preparer takes: an image is a path or an `ImageSource`, a text a string,
            a concept set a tuple of strings, a record a mapping from column to number, string or None.
        labels: label name to label, for grouping and probes; never shown to an encoder.
        concepts: what the case is about, as concept ids; overlap grades relevance.
    """

    id: str
    split: str
    group: str
    views: Mapping[str, tuple[Any, ...]]
    labels: Mapping[str, str] = field(default_factory=dict)
    concepts: tuple[str, ...] = ()


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


Row: TypeAlias = Case | BrokenRow


class Source(ABC):
    """A data set as somebody published it. It reports broken rows and leaves the policy to `load_cases`."""

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that cases can have."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """All cases of all splits, and the rows that could not be read, in a fixed order.

        Raises:
            DataError: the data set as a whole is unusable (no such folder, no captions file, no such column).
        """

    def image_files(self, case: Case) -> Iterator[Path]:
        """The image files that a case names, so that they are checked before training starts."""
        for items in case.views.values():
            yield from (item for item in items if isinstance(item, Path))
