"""How columns of a table that is joined become events and texts."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from closegap.checked import check_fields
from closegap.data.readers.moments import Dated, Moment, moment
from closegap.errors import UsageError
from closegap.kinds.event import Event

_COLUMN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Join:
    """Which rows of a table belong to a case.

    Args:
        table: a file relative to the root; the table of cases by default, each row of which belongs to its own case.
        key: the column that says so; by default the id of cases.
        of: the column of the table of cases that it equals, such as the patient's; of the same name by default.
    """

    table: str | None = None
    key: str | None = None
    of: str | None = None


@dataclass(frozen=True)
class Words:
    """A table of what codes mean.

    Args:
        table: a file relative to the root.
        key: its column of codes.
        column: its column of words.
    """

    table: str
    key: str
    column: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class EventColumns(Join):
    """Columns whose cells are events: codes with a value, or values whose column is the code.

    Args:
        codes: columns of codes, an event each; a cell may hold several, see `separator`.
        system: that the codes are of, written before them; `{column}` stands for a cell: "ICD{icd_version}CM".
        separator: between codes of a cell.
        words: the column of words of a code, which may be that of the code itself; or a table of them.
        value: the column of the codes' value.
        unit: the column of the value's unit.
        values: columns that are a code themselves, each to its words: {AGE_YRS: age in years}; their cell is the value.
        time: the column of the time; without it and `at`, events have none, and count as known.
        at: "start" or "end" of the case in place of a column: diagnoses that are coded when a patient leaves.
    """

    codes: list[str] = field(default_factory=list)
    system: str = ""
    separator: str | None = None
    words: str | Words | None = None
    value: str | None = None
    unit: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    time: str | None = None
    at: Literal["start", "end"] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.codes and not self.values:
            raise UsageError("events: expected codes or values, columns of either; found neither")
        if self.time and self.at:
            raise UsageError(f"events: a time in column '{self.time}' and at '{self.at}'; say one")

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        words = self.words if isinstance(self.words, str) else None
        named = [*self.codes, *_COLUMN.findall(self.system), words, self.value, self.unit, *self.values, self.time]
        return list(dict.fromkeys(name for name in named if name))

    def events(
        self, cells: Mapping[str, Any], words: Mapping[str, str], form: str | None, marks: Mapping[str, Moment | None]
    ) -> Iterator[Dated]:
        """The events of a row.

        Args:
            cells: column to value; None is a blank.
            words: code to what it means, of `words` where that is a table.
            form: of times, as `strptime` has it.
            marks: start and end of the case.

        Raises:
            ValueError: a time that is none, or a case without the mark that its events lie at.
        """
        when = self._moment(cells, form, marks)
        system = _COLUMN.sub(lambda found: text_of(cells.get(found[1])), self.system)
        value = number_or_text(cells.get(self.value)) if self.value else None
        unit = text_of(cells.get(self.unit)) or None if self.unit else None
        for column in self.codes:
            for code in self._parts(text_of(cells.get(column))):
                means = words.get(code) if isinstance(self.words, Words) else None
                if isinstance(self.words, str):
                    means = code if self.words == column else text_of(cells.get(self.words)) or None
                yield Dated(Event(f"{system}/{code}" if system else code, None, value, unit, means), when)
        for column, means in self.values.items():
            if (known := number_or_text(cells.get(column))) is not None:
                yield Dated(Event(f"{system}/{column}" if system else column, None, known, None, means or None), when)

    def _moment(self, cells: Mapping[str, Any], form: str | None, marks: Mapping[str, Moment | None]) -> Moment | None:
        if self.at is not None:
            if marks[self.at] is None:
                raise ValueError(f"its case has no {self.at}, at which its events lie")
            return marks[self.at]
        if self.time is None:
            return None
        if not text_of(cells.get(self.time)):
            raise ValueError(f"column '{self.time}' is blank, and without its time an event may be one of later")
        return moment(cells[self.time], form)

    def _parts(self, cell: str) -> list[str]:
        parts = cell.split(self.separator) if self.separator else [cell]
        return [part.strip() for part in parts if part.strip()]


@dataclass(frozen=True)
class TextColumns(Join):
    """Columns of texts.

    Args:
        columns: each a view.
    """

    columns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.columns:
            raise UsageError("texts: expected columns, found none")


def number_or_text(value: Any) -> float | str | None:
    """A value as a number where it is one, a text otherwise; None for a blank, and for what is not a number.

    Example:
        >>> number_or_text("12.50"), number_or_text("> 90"), number_or_text("NaN")
        (12.5, '> 90', None)
    """
    text = text_of(value)
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if math.isfinite(number) else None


def text_of(value: Any) -> str:
    """A cell as text; "" for a blank."""
    return "" if value is None else str(value).strip()
