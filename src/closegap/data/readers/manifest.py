"""Any data set, described by a table with one row per case."""

import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from closegap.checked import check_fields
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.source import Source
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError, UsageError
from closegap.kinds.base import Kind
from closegap.kinds.names import kind_at, kind_names, name_of

_SPLITS = {name: name for name in ("train", "validation", "test")} | dict.fromkeys(
    ("val", "valid", "dev"), "validation"
)


@dataclass(frozen=True)
class Columns:
    """Which columns hold a modality, and what they hold.

    Args:
        kind: what an item is: image (paths, relative to the table), text, codes (a set in one cell), record (numbers
            and categories of the case), or the import path of a kind of your own, `my_package.SignalKind`; with
            settings, the kind itself.
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


class Manifest(Source):
    """A table (CSV, TSV, JSONL, Parquet) with one row per case, or several that are views of one case.

    A blank cell, or one in `blanks`, says that its value is missing; a case whose cells of a modality are all blank
    lacks the modality.

    Args:
        path: the table.
        modalities: modality name to the columns that hold it.
        id: the column of unique ids.
        split: the column of splits: train, validation (or val, valid, dev), test.
        group: the column of what must not cross splits, such as the patient; the id by default.
        labels: columns of labels, for grouping and probes.
        views: what several rows with one id are: "error", or the views of one case ("merge").
        blanks: what a missing value is written as, besides nothing at all: ["?", "n/a"].

    Raises:
        UsageError: a kind that there is not, or columns that do not go with it.
    """

    def __init__(
        self,
        path: Path,
        modalities: dict[str, Columns],
        id: str = "id",
        split: str = "split",
        group: str | None = None,
        labels: list[str] | None = None,
        views: Literal["merge", "error"] = "error",
        blanks: list[str] | None = None,
    ) -> None:
        self._path = Path(path)
        self._modalities = dict(modalities)
        self._kinds = {name: _kind(f"data.modalities.{name}", columns) for name, columns in modalities.items()}
        self._id, self._split, self._group = id, split, group or id
        self._labels = list(labels or ())
        self._merge = views == "merge"
        self._blanks = frozenset({"", *(blanks or ())})

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of the modalities that are described."""
        return self._kinds

    @property
    def data_root(self) -> Path:
        """The table's folder."""
        return self._path.parent

    def rows(self) -> Iterator[Row]:
        """Every case in the order of its first row.

        Raises:
            DataError: no such table, a damaged one, or one without a column that is named.
        """
        self._expect_columns()
        cases: dict[str, Case] = {}
        first: dict[str, str] = {}
        for row in table_rows(self._path):
            case = row if isinstance(row, BrokenRow) else self._case(row)
            if isinstance(case, BrokenRow):
                yield case
                continue
            where = row.where
            if case.id not in cases:
                cases[case.id], first[case.id] = case, where
            elif not self._merge:
                message = f"id '{case.id}' is taken by {first[case.id]}; keep one, or say --data.views merge"
                yield BrokenRow("duplicate id", where, message)
            elif (case.split, case.group) != (cases[case.id].split, cases[case.id].group):
                message = (
                    f"id '{case.id}' has another split or group than in {first[case.id]}; views of a case share both"
                )
                yield BrokenRow("views disagree", where, message)
            else:
                cases[case.id] = _merged(cases[case.id], case)
        yield from cases.values()

    def _expect_columns(self) -> None:
        named = {
            "id": [self._id],
            "split": [self._split],
            "group": [self._group],
            "labels": self._labels,
            **{f"modalities.{name}": columns.all for name, columns in self._modalities.items()},
        }
        found = table_columns(self._path)
        for option, columns in named.items():
            for column in columns:
                if found.count(column) > 1:
                    raise DataError(f"{self._path}: column '{column}' is there {found.count(column)} times; rename one")
                if column not in found:
                    raise DataError(
                        f"{self._path}: expected a column '{column}', found {', '.join(map(repr, found))}; "
                        f"name it with --data.{option}"
                    )

    def _case(self, row: TableRow) -> Case | BrokenRow:
        try:
            return self._read(row)
        except _CellError as error:
            return BrokenRow(error.reason, row.where, str(error))

    def _read(self, row: TableRow) -> Case | BrokenRow:
        cells = {name: None if self._blank(value) else value for name, value in row.cells.items()}
        key, split = cells.get(self._id), cells.get(self._split)
        if key is None:
            return BrokenRow("no id", row.where, f"column '{self._id}' is blank; give every case an id")
        if (known := _SPLITS.get(str(split).strip().lower())) is None:
            message = f"split '{split or ''}', expected train, validation or test"
            return BrokenRow("unknown split", row.where, message)
        if (group := cells.get(self._group)) is None:
            return BrokenRow("no group", row.where, f"column '{self._group}' is blank; give every case a group")
        views: dict[str, tuple[Any, ...]] = {}
        for name, columns in self._modalities.items():
            try:
                items = self._items(self._kinds[name], columns, cells)
            except (DataError, ValueError, OSError) as error:  # the latter two from kinds that are not ours
                return BrokenRow(f"{self._kinds[name].noun} unreadable", row.where, f"modality '{name}': {error}")
            if items:
                views[name] = items
        concepts = [self._kinds[name].concepts(item) for name, items in views.items() for item in items]
        return Case(
            id=_whole(self._id, key),
            split=known,
            group=_whole(self._group, group),
            views=views,
            labels={name: _text(name, cells.get(name)) for name in self._labels},
            concepts=tuple(dict.fromkeys(concept for found in concepts for concept in found)),
        )

    def _items(self, kind: Kind, columns: Columns, cells: Mapping[str, Any]) -> tuple[Any, ...]:
        """The views of one modality; none where all its cells are blank."""
        if kind.of_row:
            row: dict[str, float | str | None] = {name: _number(name, cells.get(name)) for name in columns.numbers}
            row |= {name: _text(name, cells.get(name)) or None for name in columns.categories}
            blank = all(value is None for value in row.values())
            return () if blank else kind.views([kind.read(row, self._path.parent)])
        values = [(name, value) for name in columns.columns for value in _values(cells.get(name))]
        found = (_text(name, value) for name, value in values if not self._blank(value))
        texts = list(dict.fromkeys(text for text in found if text))
        return kind.views([kind.read(text, self._path.parent) for text in texts])

    def _blank(self, value: Any) -> bool:
        return value is None or (isinstance(value, str) and value.strip() in self._blanks)


def _kind(key: str, columns: Columns) -> Kind:
    """The kind that the columns of a modality name, if they go with it."""
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


class _CellError(Exception):
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
        raise _CellError("not a number", column, "a finite number", value, "leave unknown cells blank")
    return number


def _text(column: str, value: Any) -> str:
    """The value as text; "" for none, also where a table of numbers writes it as NaN."""
    return "" if value is None or value != value else _whole(column, value).strip()


def _whole(column: str, value: Any) -> str:
    if isinstance(value, Mapping | list | tuple | bytes):
        raise _CellError("not a text", column, "a text or a number", value, "write it as a text")
    return str(value)


def _values(cell: Any) -> list[Any]:
    return list(cell) if isinstance(cell, list | tuple) else [cell]


def _merged(first: Case, second: Case) -> Case:
    """One case with the views of both; a view that both have is one view."""
    views = dict(first.views)
    for name, items in second.views.items():
        known = views.get(name, ())
        views[name] = known + tuple(item for item in items if item not in known)
    labels = {name: value or second.labels[name] for name, value in first.labels.items()}
    concepts = tuple(dict.fromkeys(first.concepts + second.concepts))
    return replace(first, views=views, labels=labels, concepts=concepts)
