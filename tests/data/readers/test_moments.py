"""What was known before a moment: ties, zones, days that may have been later."""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closegap.data.readers.moments import Dated, Moment, Until, after_all, known_before, moment
from closegap.errors import UsageError
from closegap.kinds import Event, EventsKind

UNTIL = datetime(2020, 2, 29, 12, tzinfo=UTC)


def kept(*times: str) -> list[str]:
    events = [Dated(Event(text), moment(text)) for text in times]
    return [event.code for event in known_before(events, UNTIL)]


def test_a_tie_is_too_late_in_any_zone() -> None:
    assert (
        kept("2020-02-29T12:00:00Z", "2020-02-29T13:00:00+01:00", "2020-02-29T07:00:00-05:00", "2020-02-29 12:00") == []
    )
    assert kept("2020-02-29T12:59:59+01:00", "2020-02-29T06:59:59.999999-05:00") == [
        "2020-02-29T12:59:59+01:00",
        "2020-02-29T06:59:59.999999-05:00",
    ]


def test_what_is_known_to_the_day_counts_as_of_its_end() -> None:
    assert kept("2020-02-28", "2020-02-29", "2020-01", "2020-02", "2019", "2020") == ["2019", "2020-01", "2020-02-28"]


def test_what_has_no_time_is_known() -> None:
    assert known_before([Dated(Event("sex"))], UNTIL) == (Event("sex"),)


_MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones())


def _micros(time: datetime) -> int:
    """Microseconds since 1970, reckoned without the zones of datetime's own comparison."""
    offset = time.utcoffset() or timedelta(0)
    naive = time.replace(tzinfo=None) - datetime(1970, 1, 1)
    return (naive.days * 86_400 + naive.seconds) * 10**6 + naive.microseconds - offset // timedelta(microseconds=1)


@given(st.lists(st.none() | _MOMENTS), _MOMENTS)
def test_nothing_at_or_after_a_moment_enters(times: list[datetime | None], until: datetime) -> None:
    events = [Dated(Event(str(n)), None if time is None else moment(time)) for n, time in enumerate(times)]
    found = {event.code: event for event in known_before(events, until.astimezone(UTC))}
    expected = {str(n) for n, time in enumerate(times) if time is None or _micros(time) < _micros(until)}
    assert found.keys() == expected
    for number, time in enumerate(times):
        if time is not None and str(number) in found:
            assert found[str(number)].time == math.floor(Fraction(_micros(time) - _micros(until), 10**6))
    assert EventsKind().problem(EventsKind().parse(list(found.values()))) in (None, "expected events, found none")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020", "2020-01-01T00:00:00+00:00", "2020-12-31T23:59:59.999999+00:00"),
        ("2019-02", "2019-02-01T00:00:00+00:00", "2019-02-28T23:59:59.999999+00:00"),
        ("2019-02-03", "2019-02-03T00:00:00+00:00", "2019-02-03T23:59:59.999999+00:00"),
        ("2019-02-03T04:05:06.7+02:00", "2019-02-03T02:05:06.700000+00:00", "2019-02-03T02:05:06.700000+00:00"),
    ],
)
def test_times_as_they_are_written(text: str, first: str, last: str) -> None:
    found = moment(text)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


def test_forms_of_strptime() -> None:
    assert moment("07/02/1990", "%m/%d/%Y") == moment("1990-07-02")
    assert moment("02.07.1990 08:30", "%d.%m.%Y %H:%M") == moment("1990-07-02T08:30")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "0000-01-01",
        "2019-02-30",
        "2019-13",
        "10000-01-01",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "yesterday",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time such as"):
        moment(text)


def test_moments_of_prediction() -> None:
    start, end = moment("2020-01-01T10:00"), moment("2020-01-03")
    assert Until.of("start")(start, end) == start.first
    assert Until.of("start + 24 h")(start, end) == datetime(2020, 1, 2, 10, tzinfo=UTC)
    assert Until.of("end - 1 d")(start, end) == end.last - timedelta(days=1)
    with pytest.raises(ValueError, match="has no end"):
        Until.of("end")(start, None)
    with pytest.raises(ValueError, match="is no time"):
        Until.of("end + 9999999 d")(start, end)
    for text in ("", "later", "start +", "start + 1 week", "start + 1e9 d", f"end + {10**12} d"):
        with pytest.raises(UsageError, match="until"):
            Until.of(text)


def test_after_all() -> None:
    assert after_all([Dated(Event("sex"))]) is None
    assert after_all([Dated(Event("a"), moment("2020-01-01T10:00")), Dated(Event("b"))]) == datetime(
        2020, 1, 1, 10, 0, 0, 1, tzinfo=UTC
    )
    with pytest.raises(ValueError, match="nothing comes after"):
        after_all([Dated(Event("a"), Moment(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))])
