"""Any data set, described by a table with one row per case."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.cells import CellError, Columns, is_blank, items_of, kind_of, text, whole
from closegap.data.readers.patients import Held
from closegap.data.source import Source
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError
from closegap.kinds.base import Kind

_SPLITS = {name: name for name in ("train", "validation", "test")} | dict.fromkeys(
    ("val", "valid", "dev"), "validation"
)
_HOLD_OUT = "--data.held.validation 0.1 --data.held.test 0.1"


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
        held: which shares of the groups are held out; no column of splits is read then.
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
        held: Held | None = None,
    ) -> None:
        self._path, self._held = Path(path), held
        self._modalities = dict(modalities)
        self._kinds = {name: kind_of(f"data.modalities.{name}", columns) for name, columns in modalities.items()}
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
        for row in table_rows(self._path):
            case = row if isinstance(row, BrokenRow) else self._case(row)
            if isinstance(case, BrokenRow):
                yield case
                continue
            if case.id not in cases:
                cases[case.id] = case
            elif not self._merge:
                message = f"id '{case.id}' is taken by {cases[case.id].where}; keep one, or say --data.views merge"
                yield BrokenRow("duplicate id", case.where, message)
            elif (case.split, case.group) != (cases[case.id].split, cases[case.id].group):
                first = cases[case.id].where
                message = f"id '{case.id}' has another split or group than in {first}; views of a case share both"
                yield BrokenRow("views disagree", case.where, message)
            else:
                cases[case.id] = _merged(cases[case.id], case)
        yield from cases.values()

    def _expect_columns(self) -> None:
        named = {
            "id": [self._id],
            "split": [] if self._held else [self._split],
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
                    held = f", or hold shares of the groups out with {_HOLD_OUT}" if option == "split" else ""
                    raise DataError(
                        f"{self._path}: expected a column '{column}', found {', '.join(map(repr, found))}; "
                        f"name it with --data.{option}{held}"
                    )

    def _case(self, row: TableRow) -> Case | BrokenRow:
        try:
            return self._read(row)
        except CellError as error:
            return BrokenRow(error.reason, row.where, str(error))

    def _read(self, row: TableRow) -> Case | BrokenRow:
        cells = {name: None if is_blank(value, self._blanks) else value for name, value in row.cells.items()}
        if (key := cells.get(self._id)) is None:
            return BrokenRow("no id", row.where, f"column '{self._id}' is blank; give every case an id")
        if (group := cells.get(self._group)) is None:
            return BrokenRow("no group", row.where, f"column '{self._group}' is blank; give every case a group")
        group, split = whole(self._group, group), cells.get(self._split)
        known = self._held.split(group) if self._held else _SPLITS.get(str(split).strip().lower())
        if known is None:
            message = f"split '{split or ''}', expected train, validation or test"
            return BrokenRow("unknown split", row.where, message)
        views: dict[str, tuple[Any, ...]] = {}
        for name, columns in self._modalities.items():
            try:
                items = items_of(self._kinds[name], columns, cells, self._path.parent, self._blanks)
            except (DataError, ValueError, OSError) as error:  # the latter two from kinds that are not ours
                return BrokenRow(f"{self._kinds[name].noun} unreadable", row.where, f"modality '{name}': {error}")
            if items:
                views[name] = items
        concepts = [self._kinds[name].concepts(item) for name, items in views.items() for item in items]
        return Case(
            id=whole(self._id, key),
            split=known,
            group=group,
            views=views,
            labels={name: text(name, cells.get(name)) for name in self._labels},
            concepts=tuple(dict.fromkeys(concept for found in concepts for concept in found)),
            where=row.where,
        )


def _merged(first: Case, second: Case) -> Case:
    """One case with the views of both; a view that both have is one view."""
    views = dict(first.views)
    for name, items in second.views.items():
        known = views.get(name, ())
        views[name] = known + tuple(item for item in items if item not in known)
    labels = {name: value or second.labels[name] for name, value in first.labels.items()}
    concepts = tuple(dict.fromkeys(first.concepts + second.concepts))
    where = f"{first.where} and {second.where}"
    return replace(first, views=views, labels=labels, concepts=concepts, where=where)
