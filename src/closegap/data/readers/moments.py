"""When something happened, as far as it was written down, and what was known before a moment."""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from closegap.errors import UsageError
from closegap.kinds.event import Event
from closegap.kinds.events import in_order

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_UNTIL = re.compile(r"(start|end)(?:\s*([+-])\s*(\d+(?:\.\d+)?)\s*(s|min|h|d))?")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Moment:
    """A time in UTC that may be known to the day, the month or the year only.

    Args:
        first: the earliest that it may have been.
        last: the latest; the same where it is known to the second.
    """

    first: datetime
    last: datetime


def moment(value: Any, form: str | None = None) -> Moment:
    """What a cell says of a time: ISO 8601, a date, a month, a year, or anything in the form of `strptime`.

    A time without a zone is taken as UTC.

    Raises:
        ValueError: it is no time between the years 1 and 9999.

    Example:
        >>> moment("2020-02").last.isoformat()
        '2020-02-29T23:59:59.999999+00:00'
        >>> moment("2020-02-29T23:00:00-05:00").first.isoformat()
        '2020-03-01T04:00:00+00:00'
    """
    try:
        if isinstance(value, datetime):
            return _sharp(value)
        if isinstance(value, date):
            return _days(value, value)
        text = str(value).strip()
        if form is not None:
            found = datetime.strptime(text, form)
            return _sharp(found) if "%H" in form or "%s" in form else _days(found.date(), found.date())
        if partial := _PARTIAL.fullmatch(text):
            year, month, day = (None if part is None else int(part) for part in partial.groups())
            first = date(year or 0, month or 1, day or 1)
            last_month = month or 12
            return _days(first, date(first.year, last_month, day or monthrange(first.year, last_month)[1]))
        return _sharp(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        expected = "such as 2020-02-29T23:00:00Z" if form is None else f"in the form {form}"
        raise ValueError(f"{str(value)[:60]!r} is no time {expected} ({error})") from error


@dataclass(frozen=True)
class Dated:
    """An event with its time, before anybody asks what was known when; `moment` is None for what has no time."""

    event: Event
    moment: Moment | None = None


def known_before(events: Iterable[Dated], until: datetime) -> tuple[Event, ...]:
    """The events that had surely happened before a moment, their times in whole seconds from it.

    What is known to the day alone counts as of the end of the day: it might have been later than the moment. What has
    no time counts as known. Nothing at the moment itself or after it is kept.

    Args:
        events: in any order.
        until: the moment, in UTC.
    """
    return in_order(
        one.event if one.moment is None else replace(one.event, time=(one.moment.first - until) // timedelta(seconds=1))
        for one in events
        if one.moment is None or one.moment.last < until
    )


@dataclass(frozen=True)
class Until:
    """The moment of prediction of a case: its start or its end, and so long after or before it.

    Args:
        mark: "start" or "end".
        after: of the mark.
    """

    mark: str
    after: timedelta = timedelta(0)

    @classmethod
    def of(cls, text: str) -> "Until":
        """What a config says: "start", "end", "start + 24 h", "end - 1 d".

        Raises:
            UsageError: something else.

        Example:
            >>> Until.of("start + 24 h")
            Until(mark='start', after=datetime.timedelta(days=1))
        """
        found = _UNTIL.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"until: {text!r} given, expected start or end, such as 'start + 24 h' or 'end - 1 d'")
        mark, sign, number, unit = found.groups()
        if number is None:
            return cls(mark)
        try:
            after = timedelta(seconds=float(number) * _SECONDS[unit])
        except OverflowError:
            raise UsageError(f"until: {text!r} given, expected fewer than a billion days") from None
        return cls(mark, -after if sign == "-" else after)

    def __call__(self, start: Moment | None, end: Moment | None) -> datetime:
        """The moment in UTC. The start is taken at its earliest, the end behind its latest.

        Args:
            start: of the case; None where it is not known.
            end: of the case.

        Raises:
            ValueError: the mark that is needed is not known, or the moment is beyond the year 9999.
        """
        marked = start if self.mark == "start" else end
        if marked is None:
            raise ValueError(f"has no {self.mark}, which the moment of prediction is counted from")
        try:
            return (marked.first if self.mark == "start" else marked.last) + self.after
        except OverflowError as error:
            raise ValueError(f"{self.mark} {marked.first.date()} and so long after it is no time") from error


def after_all(events: Iterable[Dated]) -> datetime | None:
    """The first moment before which all events have happened; None where none has a time.

    Raises:
        ValueError: it is beyond the year 9999.
    """
    last = max((one.moment.last for one in events if one.moment is not None), default=None)
    try:
        return None if last is None else last + _TICK
    except OverflowError as error:
        raise ValueError(f"nothing comes after {last}") from error


def _sharp(found: datetime) -> Moment:
    known = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return Moment(known, known)


def _days(first: date, last: date) -> Moment:
    return Moment(datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC))
