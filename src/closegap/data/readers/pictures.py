"""Images that no data set describes: a folder of them, or a table that lists them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from closegap.data.case import BrokenRow, Case, within
from closegap.data.readers.image_folder import image_files
from closegap.data.table import table_columns, table_rows
from closegap.data.verification import problems
from closegap.errors import DataError
from closegap.kinds.image import ImageKind
from closegap.progress import Progress


def folder_cases(folder: Path, image: str, progress: Progress | None = None) -> list[Case]:
    """One case per image of a folder, in the order of their names; the id is the name without its ending.

    Args:
        folder: what else is in it is left alone.
        image: the modality's name.
        progress: called with (images checked, images).

    Raises:
        DataError: no such folder, no image in it, an unreadable one, or two of one name.
    """
    cases = [_case(path.stem, path, image) for path in image_files(folder, deep=False)]
    return _checked(cases, folder, image, progress)


def listed_cases(table: Path, image: str, text: str, progress: Progress | None = None) -> list[Case]:
    """One case per row of a table with the columns id, image and, where captions are known, caption.

    Args:
        table: CSV, TSV, JSONL or Parquet; the names of columns are read in any case. Image paths are relative to it.
        image: the modality's name.
        text: the captions' name.
        progress: called with (images checked, images).

    Raises:
        DataError: a damaged table, one without the columns or without rows, an unreadable image, an id
            that comes twice.
    """
    columns = {name.lower(): name for name in table_columns(table)}
    for wanted in ("id", "image"):
        if wanted not in columns:
            raise DataError(f"{table}: no column {wanted!r}; it has {', '.join(columns.values()) or 'none'}")
    cases = []
    for row in table_rows(table):
        if isinstance(row, BrokenRow):
            raise DataError(f"{row.where}: {row.message}")
        cells = {name: str(row.cells.get(column) or "").strip() for name, column in columns.items()}
        if not cells["id"] or not cells["image"]:
            raise DataError(f"{row.where}: expected an id and an image, found {cells['id']!r} and {cells['image']!r}")
        cases.append(_case(cells["id"], table.parent / cells["image"], image, text, cells.get("caption", "")))
    if not cases:
        raise DataError(f"{table}: holds no row; expected one per image")
    return _checked(cases, table.parent, image, progress)


def _case(id: str, path: Path, image: str, text: str = "", caption: str = "") -> Case:
    return Case(id, "test", id, {image: (path,)} | ({text: (caption,)} if caption else {}))


def _checked(cases: Sequence[Case], root: Path, image: str, progress: Progress | None) -> list[Case]:
    twice = next((id for id, count in Counter(case.id for case in cases).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"id {twice!r} comes twice; captions are written by id, so give each image one of its own")
    for problem in problems(ImageKind(), [case.views[image][0] for case in cases], progress):
        if problem is not None:
            raise DataError(within(root, problem))
    return list(cases)
