"""What the cells of a row hold: the items of each modality."""

import math
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from closegap.checked import check_fields
from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.kinds.names import kind_at, kind_names, name_of


@dataclass(frozen=True)
class Columns:
    """Which columns hold a modality, and what they hold.

    Args:
        kind: what an item is: image, dicom, audio, video or signal (paths, relative to the table), text, codes (a set
            in one cell), record (numbers and categories of the case), or the import path of a kind of your own,
            `my_package.SignalKind`; with settings, the kind itself.
        columns: each a view; those of codes are united. Cells may be lists.
        separator: between the codes of a cell; ";" by default.
        numbers: columns of a record that hold numbers.
        categories: columns of a record that hold anything else.
    """

    kind: str | Kind
    columns: list[str] = field(default_factory=list)
    separator: str | None = None
    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def all(self) -> list[str]:
        """Every column that is named."""
        return [*self.columns, *self.numbers, *self.categories]


def kind_of(key: str, columns: Columns) -> Kind:
    """The kind that the columns of a modality name, if they go with it.

    Args:
        key: of the config, for messages.
        columns: of the modality.

    Raises:
        UsageError: there is no such kind, or the columns do not go with it.
    """
    kind = columns.kind
    if isinstance(kind, str):
        try:
            kind = kind_at(kind)
        except ValueError as error:
            raise UsageError(
                f"{key}.kind: {error}; expected {', '.join(kind_names())}, or the import path of a class, "
                "such as my_package.SignalKind"
            ) from None
    if columns.separator is not None:
        try:
            kind = replace(kind, separator=columns.separator)  # type: ignore[type-var]  # not every kind has one
        except TypeError:
            raise UsageError(
                f"{key}.separator: a cell of kind {name_of(kind)} is not separated; leave it out"
            ) from None
    given, other, expected = columns.columns, columns.numbers + columns.categories, "columns"
    if kind.of_row:
        given, other, expected = other, given, "numbers and categories"
    if other or not given:
        raise UsageError(f"{key}: a modality of kind {name_of(kind)} is described by {expected}, and by nothing else")
    return kind


def items_of(
    kind: Kind, columns: Columns, cells: Mapping[str, Any], folder: Path, blanks: Collection[str] = ("",)
) -> tuple[Any, ...]:
    """The views of one modality in a row; none where all its cells are blank.

    Args:
        kind: of `kind_of`.
        columns: of the modality.
        cells: of the row; None is a blank.
        folder: of the table; paths are relative to it.
        blanks: what a missing value in a list is written as.

    Raises:
        CellError: a cell that holds something else than what was expected.
        DataError: a cell that holds no item of the kind.
    """
    if kind.of_row:
        row: dict[str, float | str | None] = {name: _number(name, cells.get(name)) for name in columns.numbers}
        row |= {name: text(name, cells.get(name)) or None for name in columns.categories}
        return () if all(value is None for value in row.values()) else kind.views([kind.read(row, folder)])
    values = [(name, value) for name in columns.columns for value in _values(cells.get(name))]
    found = (text(name, value) for name, value in values if not is_blank(value, blanks))
    return kind.views([kind.read(cell, folder) for cell in dict.fromkeys(found) if cell])


def is_blank(value: Any, blanks: Collection[str] = ("",)) -> bool:
    """Whether a cell says that its value is missing."""
    return value is None or (isinstance(value, str) and value.strip() in blanks)


class CellError(Exception):
    """A cell that holds something else than what was expected; `reason` counts it."""

    def __init__(self, reason: str, column: str, expected: str, value: Any, advice: str) -> None:
        super().__init__(f"column '{column}': expected {expected}, found {reprlib.repr(value)}; {advice}")
        self.reason = reason


def _number(column: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.inf
    if not math.isfinite(number):
        raise CellError("not a number", column, "a finite number", value, "leave unknown cells blank")
    return number


def text(column: str, value: Any) -> str:
    """The value as text; "" for none, also where a table of numbers writes it as NaN."""
    return "" if value is None or value != value else whole(column, value).strip()


def whole(column: str, value: Any) -> str:
    """The value as text, a number too.

    Raises:
        CellError: it is neither.
    """
    if isinstance(value, Mapping | list | tuple | bytes):
        raise CellError("not a text", column, "a text or a number", value, "write it as a text")
    return str(value)


def _values(cell: Any) -> list[Any]:
    return list(cell) if isinstance(cell, list | tuple) else [cell]
