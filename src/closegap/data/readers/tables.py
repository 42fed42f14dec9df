"""Relational tables, joined by key: a table of cases, and others whose rows are their events and texts."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from closegap.bounds import PositiveInt
from closegap.checked import check_fields
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.histories import Histories
from closegap.data.readers.joined import EventColumns, Join, TextColumns, Words, text_of
from closegap.data.readers.moments import Dated, Moment, Until, known_before, moment
from closegap.data.readers.patients import Held, Ids, pseudonym
from closegap.data.readers.raw_table import raw_rows
from closegap.data.table import TableRow
from closegap.errors import DataError, UsageError
from closegap.kinds.event import Event
from closegap.kinds.events import in_order, latest

_SPLITS = {name: name for name in ("train", "validation", "test")} | dict.fromkeys(
    ("val", "valid", "dev", "tuning"), "validation"
)


@dataclass(frozen=True)
class CaseColumns:
    """The table that has a row for each case.

    Args:
        table: a file relative to the root.
        id: the column of unique ids.
        group: the column of the patient; the id by default.
        start: the column of the time at which the case begins.
        end: the column of the time at which it ends.
        split: the column of splits; without it `held` says who is held out.
        labels: columns of labels, for grouping and probes.
    """

    table: str
    id: str
    group: str | None = None
    start: str | None = None
    end: str | None = None
    split: str | None = None
    labels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass
class _Open:
    """A case whose rows are still being read."""

    id: str
    group: str
    split: str
    labels: Mapping[str, str]
    marks: Mapping[str, Moment | None]
    until: datetime | None
    events: list[Event] = field(default_factory=list)
    texts: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))


class Tables(Histories):
    """Relational tables as a hospital or an agency publishes them, joined by key, read row after row.

    Modalities: "events", what was known of a case before the moment of prediction, and those that `texts` name. Every
    event is compared with that moment when its row is read; no later one is kept. Texts are not cut.

    Args:
        root: the folder of the tables: .csv, .tsv (with .gz too), .jsonl, .parquet.
        cases: the table that has a row for each case.
        events: columns of events, of that table and of others.
        texts: modality to its columns.
        until: the moment of prediction, "start" or "end" of the case, or so long after or before: "start + 24 h".
            Needed where events have times.
        most: events of a case; of more, those without a time and the latest are kept.
        time_format: of all times, as `strptime` has it: "%m/%d/%Y"; ISO 8601 by default.
        encoding: of CSV and TSV, such as cp1252.
        blanks: what a missing value is written as, besides nothing at all.
        held: which patients are held out where no column says so.
        ids: "digest" replaces the ids of cases and patients.
        key: a file with a secret, for digests that nobody else can make.

    Raises:
        UsageError: events with times, and no moment of prediction; or one that `cases` has no column for.
    """

    def __init__(
        self,
        root: Path,
        cases: CaseColumns,
        events: list[EventColumns],
        texts: dict[str, TextColumns] | None = None,
        until: str | None = None,
        most: PositiveInt = 10_000,
        time_format: str | None = None,
        encoding: str = "utf-8",
        blanks: list[str] | None = None,
        held: Held | None = None,
        ids: Ids = "kept",
        key: Path | None = None,
    ) -> None:
        super().__init__(root, texts or ())
        self._cases, self._events, self._texts = cases, list(events), dict(texts or {})
        self._until = None if until is None else Until.of(until)
        self._most, self._form, self._encoding = most, time_format, encoding
        self._blanks = frozenset({"", *(blanks or ())})
        self._held, self._name = held or Held(), pseudonym(ids, key)
        if self._until is None and any(columns.time or columns.at for columns in self._events):
            raise UsageError("until: none given, but events have times; say when is predicted, such as end")
        if self._until is not None and getattr(cases, self._until.mark) is None:
            raise UsageError(f"until: needs the column cases.{self._until.mark}, which is not named")

    def rows(self) -> Iterator[Row]:
        """Broken rows of all tables, then every case in the order of its row.

        Raises:
            DataError: no such table or column, a damaged one, or no folder.
        """
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected one with {self._cases.table}")
        opened: dict[str, _Open] = {}
        matching: dict[str, dict[str, list[_Open]]] = {self._of(join): defaultdict(list) for join in self._joins()}
        for row in self._read(self._cases.table, self._own_columns()):
            case = row if isinstance(row, BrokenRow) else self._opened(row)
            if isinstance(case, BrokenRow):
                yield case
                continue
            assert isinstance(row, TableRow)
            if case.id in opened:
                yield BrokenRow("duplicate id", row.where, f"column '{self._cases.id}': the id comes again; keep one")
                continue
            problem = self._filled(case, row)
            if problem is not None:
                yield problem
                continue
            opened[case.id] = case
            for column, found in matching.items():
                found[text_of(row.cells.get(column))].append(case)
        for table, joins in self._by_table().items():
            yield from self._joined(table, joins, matching)
        for case in opened.values():
            yield self._closed(case)

    def _joined(
        self, table: str, joins: Sequence[Join], matching: Mapping[str, Mapping[str, Sequence[_Open]]]
    ) -> Iterator[BrokenRow]:
        adders = [(join, self._adder(join)) for join in joins]
        keys = [join.key or self._cases.id for join in joins]
        needed = [*keys, *(name for join in joins for name in _needed(join))]
        for row in self._read(table, list(dict.fromkeys(needed))):
            if isinstance(row, BrokenRow):
                yield row
                continue
            for (join, add), key in zip(adders, keys, strict=True):
                name = text_of(row.cells[key])
                try:
                    for case in matching[self._of(join)].get(name, ()) if name else ():
                        add(case, row.cells)
                except ValueError as error:
                    yield BrokenRow("not a time", row.where, str(error))

    def _adder(self, join: Join) -> Callable[[_Open, Mapping[str, Any]], None]:
        """What puts the events or texts of a row into a case."""
        if isinstance(join, EventColumns):
            words = self._words(join.words) if isinstance(join.words, Words) else {}
            return lambda case, cells: self._add(case, join.events(cells, words, self._form, case.marks))
        modality = next(name for name, columns in self._texts.items() if columns is join)
        return lambda case, cells: case.texts[modality].update(_texts_of(self._texts[modality], cells))

    def _add(self, case: _Open, dated: Iterator[Dated]) -> None:
        found = list(dated)
        known = [one.event for one in found] if case.until is None else known_before(found, case.until)
        case.events.extend(known)
        if len(case.events) > 2 * self._most:
            case.events[:] = latest(in_order(case.events), self._most)

    def _opened(self, row: TableRow) -> _Open | BrokenRow:
        """The case of a row, without its events."""
        cells, columns = row.cells, self._cases
        key, group = (text_of(cells.get(column)) for column in (columns.id, columns.group or columns.id))
        if not key or not group:
            blank = columns.id if not key else columns.group
            return BrokenRow("no id" if not key else "no group", row.where, f"column '{blank}' is blank; fill it")
        split = self._held.split(group)
        if columns.split is not None:
            found = text_of(cells.get(columns.split)).lower()
            if found not in _SPLITS:
                return BrokenRow("unknown split", row.where, f"split '{found}', expected train, validation or test")
            split = _SPLITS[found]
        try:
            marks = {name: self._mark(cells, getattr(columns, name)) for name in ("start", "end")}
            until = None if self._until is None else self._until(marks["start"], marks["end"])
        except ValueError as error:
            return BrokenRow("no moment of prediction", row.where, str(error))
        labels = {name: text_of(cells.get(name)) for name in columns.labels}
        return _Open(self._name(key), self._name(group), split, labels, marks, until)

    def _filled(self, case: _Open, row: TableRow) -> BrokenRow | None:
        """Put what the case's own row says into it."""
        try:
            for join in self._joins():
                if join.table is None:
                    self._adder(join)(case, row.cells)
        except ValueError as error:
            return BrokenRow("not a time", row.where, str(error))
        return None

    def _mark(self, cells: Mapping[str, Any], column: str | None) -> Moment | None:
        return None if column is None or not text_of(cells.get(column)) else moment(cells[column], self._form)

    def _closed(self, case: _Open) -> Case:
        events = tuple(latest(in_order(case.events), self._most))
        views: dict[str, tuple[Any, ...]] = {name: tuple(case.texts[name]) for name in self._texts if case.texts[name]}
        if events:
            views["events"] = (events,)
        return Case(case.id, case.split, case.group, views, case.labels)

    def _joins(self) -> list[Join]:
        return [*self._events, *self._texts.values()]

    def _by_table(self) -> dict[str, list[Join]]:
        found: dict[str, list[Join]] = defaultdict(list)
        for join in self._joins():
            if join.table is not None:
                found[join.table].append(join)
        return found

    def _of(self, join: Join) -> str:
        return join.of or join.key or self._cases.id

    def _own_columns(self) -> list[str]:
        cases, joins = self._cases, self._joins()
        own = [cases.id, cases.group, cases.start, cases.end, cases.split, *cases.labels, *map(self._of, joins)]
        own += [name for join in joins if join.table is None for name in _needed(join)]
        return list(dict.fromkeys(name for name in own if name))

    def _words(self, words: Words) -> dict[str, str]:
        rows = self._read(words.table, [words.key, words.column])
        cells = [row.cells for row in rows if isinstance(row, TableRow)]
        return {text_of(found[words.key]): text_of(found[words.column]) for found in cells}

    def _read(self, table: str, columns: Sequence[str]) -> Iterator[TableRow | BrokenRow]:
        for row in raw_rows(self._root / table, columns, self._encoding):
            if isinstance(row, TableRow):
                cells = {name: None if text_of(cell) in self._blanks else cell for name, cell in row.cells.items()}
                row = TableRow(row.where, cells)
            yield row


def _needed(join: Join) -> list[str]:
    return join.needed if isinstance(join, EventColumns) else join.columns if isinstance(join, TextColumns) else []


def _texts_of(columns: TextColumns, cells: Mapping[str, Any]) -> dict[str, None]:
    return dict.fromkeys(filter(None, (text_of(cells.get(name)) for name in columns.columns)))
