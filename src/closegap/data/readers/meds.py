"""MEDS, the Medical Event Data Standard: sharded Parquet of events by subject."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nlargest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.bounds import PositiveInt
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.histories import Histories
from closegap.data.readers.joined import number_or_text, text_of
from closegap.data.readers.moments import Dated, after_all, known_before, moment
from closegap.data.readers.patients import Held, Ids, pseudonym
from closegap.errors import DataError
from closegap.kinds.event import Event
from closegap.kinds.events import latest

_SPLITS = {"train": "train", "tuning": "validation", "held_out": "test"}
_BATCH = 8192  # rows


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


_DATA = {"subject_id": pa.types.is_integer, "time": pa.types.is_timestamp, "code": _is_text}


@dataclass
class _Subject:
    """What was read of a subject, whose rows follow each other."""

    id: int
    where: str
    events: list[Dated] = field(default_factory=list)
    texts: dict[str, list[tuple[datetime | None, str]]] = field(default_factory=dict)


class Meds(Histories):
    """A data set in MEDS: shards, and metadata as far as they are there.

    Expects `data/**/*.parquet`; `metadata/subject_splits.parquet` says who is held out, `metadata/codes.parquet` what
    codes mean. Modalities: "events", what was known of a subject before the moment of prediction, and those that
    `texts` names. A case is a subject, with all that is known, or, with `labels`, each of its moments of prediction.
    The subjects of a shard are read one after the other.

    Args:
        root: the folder that holds `data/`.
        labels: a Parquet file, or a folder of them, of subject_id and prediction_time; each row is a case. MEDS lets in
            what is of the moment itself; here only what was before it enters.
        texts: modality to the beginnings of codes whose text_value is its text, such as {note: [NOTE/]}; these events
            are no events any more. Texts are not cut.
        unit: the column of units, if the data have one.
        most: events of a case; of more, those without a time and the latest are kept.
        held: which subjects are held out where the data do not say.
        ids: "digest" replaces the ids of subjects.
        key: a file with a secret, for digests that nobody else can make.

    Raises:
        UsageError: a text that is named like the events.

    Reference:
        MEDS 0.4, https://github.com/Medical-Event-Data-Standard/meds; the splits train, tuning, held_out are train,
        validation, test.
    """

    def __init__(
        self,
        root: Path,
        labels: Path | None = None,
        texts: dict[str, list[str]] | None = None,
        unit: str | None = None,
        most: PositiveInt = 10_000,
        held: Held | None = None,
        ids: Ids = "kept",
        key: Path | None = None,
    ) -> None:
        super().__init__(root, texts or ())
        self._labels, self._texts, self._unit = labels, dict(texts or {}), unit
        self._most, self._held, self._name = most, held or Held(), pseudonym(ids, key)

    def rows(self) -> Iterator[Row]:
        """The cases of each shard, in the order of its subjects; a shard that breaks off is a broken row.

        Raises:
            DataError: no folder, no shard, or metadata that are not what MEDS says.
        """
        shards = sorted(path for path in (self._root / "data").rglob("*.parquet") if path.is_file())
        if not shards:
            raise DataError(
                f"{self._root}: expected shards data/**/*.parquet in it, found none; is it a MEDS data set?"
            )
        words, splits, moments = self._words(), self._splits(), self._moments()
        seen: dict[int, str] = {}
        for shard in shards:
            for subject in self._subjects(shard, words):
                if isinstance(subject, BrokenRow):
                    yield subject
                elif subject.id in seen:
                    message = (
                        f"a subject of {seen[subject.id]} comes again; its rows must follow each other in one shard"
                    )
                    yield BrokenRow("subject in parts", subject.where, message)
                else:
                    seen[subject.id] = subject.where
                    yield from self._cases(subject, splits, moments)

    def _subjects(self, shard: Path, words: Mapping[str, str]) -> Iterator[_Subject | BrokenRow]:
        subject: _Subject | None = None
        for row in _rows(shard, _DATA, ["numeric_value", "text_value", *([self._unit] if self._unit else [])]):
            if isinstance(row, BrokenRow):
                yield row
                continue
            where, cells = row
            if cells["subject_id"] is None or not text_of(cells["code"]):
                blank = "subject_id" if cells["subject_id"] is None else "code"
                yield BrokenRow(
                    "no code" if blank == "code" else "no id", where, f"column '{blank}' is null; MEDS needs it"
                )
                continue
            if subject is None or subject.id != cells["subject_id"]:
                if subject is not None:
                    yield subject
                subject = _Subject(cells["subject_id"], where)
            self._add(subject, cells, words)
        if subject is not None:
            yield subject

    def _add(self, subject: _Subject, cells: Mapping[str, Any], words: Mapping[str, str]) -> None:
        code, when = str(cells["code"]).strip(), None if cells["time"] is None else moment(cells["time"])
        number, text = cells.get("numeric_value"), text_of(cells.get("text_value"))
        for name, beginnings in self._texts.items():
            if text and code.startswith(tuple(beginnings)):
                subject.texts.setdefault(name, []).append((when.first if when else None, text))
                return
        value = text or None if number is None else number_or_text(number)
        unit = text_of(cells.get(self._unit)) or None if self._unit else None
        subject.events.append(Dated(Event(code, None, value, unit, words.get(code)), when))
        if self._labels is None and len(subject.events) > 4 * self._most:
            subject.events = _latest(subject.events, self._most)

    def _cases(
        self, subject: _Subject, splits: Mapping[int, str] | None, moments: Mapping[int, Sequence[datetime]] | None
    ) -> Iterator[Row]:
        group = self._name(str(subject.id))
        split = self._held.split(group) if splits is None else splits.get(subject.id, "")
        if split not in _SPLITS.values():
            message = f"split '{split}', expected train, tuning or held_out in metadata/subject_splits.parquet"
            yield BrokenRow("unknown split", subject.where, message)
            return
        texts = {name: tuple(dict.fromkeys(text for _, text in found)) for name, found in subject.texts.items()}
        if moments is None:
            try:
                until = after_all(subject.events) or datetime.min.replace(tzinfo=UTC)
            except ValueError as error:
                yield BrokenRow("no moment of prediction", subject.where, str(error))
                return
            yield self._case(group, group, split, subject, until, texts)
            return
        for number, until in enumerate(moments.get(subject.id, ())):
            yield self._case(f"{group}/{number}", group, split, subject, until, texts)

    def _case(
        self,
        name: str,
        group: str,
        split: str,
        subject: _Subject,
        until: datetime,
        texts: Mapping[str, tuple[str, ...]],
    ) -> Case:
        events = tuple(latest(known_before(subject.events, until), self._most))
        return Case(name, split, group, {**texts, **({"events": (events,)} if events else {})})

    def _words(self) -> dict[str, str]:
        path = self._root / "metadata" / "codes.parquet"
        rows = _sound(_rows(path, {"code": _is_text}, ["description"])) if path.is_file() else ()
        return {str(cells["code"]): found for cells in rows if (found := text_of(cells.get("description")))}

    def _splits(self) -> dict[int, str] | None:
        path = self._root / "metadata" / "subject_splits.parquet"
        if not path.is_file():
            return None
        rows = _sound(_rows(path, {"subject_id": pa.types.is_integer, "split": _is_text}, []))
        return {cells["subject_id"]: _SPLITS.get(cells["split"], str(cells["split"])) for cells in rows}

    def _moments(self) -> dict[int, list[datetime]] | None:
        if self._labels is None:
            return None
        path = Path(self._labels)
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        found: dict[int, set[datetime]] = {}
        for file in files:
            for cells in _sound(
                _rows(file, {"subject_id": pa.types.is_integer, "prediction_time": pa.types.is_timestamp}, [])
            ):
                if cells["prediction_time"] is not None:
                    found.setdefault(cells["subject_id"], set()).add(moment(cells["prediction_time"]).first)
        return {subject: sorted(times) for subject, times in found.items()}


def _rows(
    path: Path, needed: Mapping[str, Any], optional: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]] | BrokenRow]:
    """The columns of a Parquet file, row by row; a file that breaks off ends in a broken row."""
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            for name, fits in needed.items():
                if name not in schema.names or not fits(schema.field(name).type):
                    found = schema.field(name).type if name in schema.names else "no such column"
                    yield BrokenRow("not MEDS", str(path), f"expected a column '{name}' as MEDS has it, found {found}")
                    return
            columns = [*needed, *(name for name in optional if name in schema.names)]
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                batch = pa.RecordBatch.from_arrays([_in_micros(column) for column in batch.columns], names=columns)
                for cells in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", cells
    except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
        told = " ".join(str(error).split())[:200]
        yield BrokenRow("not readable", str(path), f"damaged, or no Parquet file, after row {number} ({told})")


def _in_micros(column: pa.Array) -> pa.Array:
    """Times to the microsecond, in UTC, as datetime has them."""
    if not pa.types.is_timestamp(column.type):
        return column
    return column.cast(pa.timestamp("us", column.type.tz), safe=False)


def _latest(events: Sequence[Dated], most: int) -> list[Dated]:
    """At most so many events without a time, and so many of the others, the latest."""
    timed = [(one.moment.last, number) for number, one in enumerate(events) if one.moment is not None]
    still = [one for one in events if one.moment is None]
    return [*still[:most], *(events[number] for _, number in nlargest(most, timed))]


def _sound(rows: Iterator[tuple[str, dict[str, Any]] | BrokenRow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if isinstance(row, BrokenRow):
            raise DataError(f"{row.where}: {row.message}")
        yield row[1]
