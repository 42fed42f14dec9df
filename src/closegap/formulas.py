"""Tables of texts from outside, of which a spreadsheet takes no cell for a formula."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from closegap.files import whole_file

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write the rows as CSV, whole or not at all, each cell `harmless`."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)


def harmless(cell: str) -> str:
    """The cell, after a quote where a spreadsheet would take it for a formula; no two cells become the same.

    Example:
        >>> harmless("=1+1"), harmless("'=1+1"), harmless("lesion = 3 mm")
        ("'=1+1", "''=1+1", 'lesion = 3 mm')
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell
