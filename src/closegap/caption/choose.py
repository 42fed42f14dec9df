"""Which images are captioned."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from closegap.caption.writer import CaptionWriter
from closegap.data import Case
from closegap.data.readers.pictures import folder_cases, listed_cases
from closegap.errors import DataError

Chosen: TypeAlias = Callable[[CaptionWriter, Mapping[str, Sequence[Case]]], Sequence[Case]]
"""Picks cases, given who writes of them and the run's data by split."""


def split_cases(split: str) -> Chosen:
    """A split's cases that have an image.

    Raises (when it picks):
        DataError: there are none.
    """

    def chosen(writer: CaptionWriter, splits: Mapping[str, Sequence[Case]]) -> Sequence[Case]:
        image = writer.captioning.image
        found = [case for case in splits.get(split, ()) if case.views.get(image)]
        if not found:
            raise DataError(f"no case with {image!r} in split {split!r}; there are {', '.join(splits)}")
        return found

    return chosen


def images_of_folder(folder: Path) -> Chosen:
    """Every image of a folder."""
    return lambda writer, _: folder_cases(folder, writer.captioning.image, writer.watcher.images)


def images_of_table(table: Path) -> Chosen:
    """The images that a table lists, with their captions where it has them."""
    return lambda writer, _: listed_cases(table, writer.captioning.image, writer.captioning.text, writer.watcher.images)
