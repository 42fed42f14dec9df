"""Health records: events before the moment of prediction, and nothing else."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closegap.errors import DataError
from closegap.kinds import Event, EventsKind
from closegap.kinds.events import latest, said
from closegap.testing import check_kind

KIND = EventsKind()
HEIGHT = Event("LOINC/8302-2", -86_400 * 400, 171.5, "cm", "Body height")
PNEUMONIA = Event("ICD10CM/J18.9", -7200, words="Pneumonia")
SEX = Event("sex", value="F")
RECORD = (SEX, HEIGHT, PNEUMONIA)

_TEXTS = st.text(min_size=1).filter(str.strip)
_EVENTS = st.builds(
    Event,
    code=_TEXTS,
    time=st.none() | st.integers(-(10**12), -1),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    unit=st.none() | _TEXTS,
    words=st.none() | _TEXTS,
)


def test_the_kind_holds() -> None:
    check_kind(KIND, [RECORD, (PNEUMONIA,), (SEX,), tuple(Event("a/b", -second) for second in range(3000, 0, -1))])


@given(st.lists(_EVENTS, min_size=1, max_size=9))
def test_a_record_comes_back_whatever_it_holds(events: list[Event]) -> None:
    record = KIND.parse(events)
    assert KIND.problem(record) is None
    assert KIND.unpack(KIND.pack(record)) == record
    assert sorted(record, key=repr) == sorted(events, key=repr)
    times = [event.time for event in record if event.time is not None]
    assert times == sorted(times)
    assert len(KIND.text(record).splitlines()) == 1
    assert not re.search(r"<(?!/?(div|svg|line|text|circle|title|b)\b)", KIND.show(record))


@pytest.mark.parametrize("time", [0, 1, 10**9])
def test_what_is_not_before_the_prediction_is_refused(time: int) -> None:
    assert "expected only what came before it" in str(KIND.problem((*RECORD, Event("late", time))))


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ([PNEUMONIA], "expected a tuple of events, found a list"),
        ((), "expected events, found none"),
        ((PNEUMONIA, HEIGHT), "not in the order of time"),
        ((PNEUMONIA, SEX), "not in the order of time"),
        (("fever",), "expected an event, found a str"),
        ((Event(" "),), "expected the code of an event, found ' '"),
        ((Event("a", -1.5),), "expected whole seconds as its time, found -1.5"),  # type: ignore[arg-type]
        ((Event("a", value=float("nan")),), "expected a finite number as its value, found nan"),
        ((Event("a", value=[1]),), "expected a number or a text as its value"),  # type: ignore[arg-type]
        ((Event("a", unit=3),), "expected a text as its unit, found 3"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_used(item: Any, problem: str) -> None:
    assert problem in str(KIND.problem(item))


@pytest.mark.parametrize(
    "given", ["fever", None, [3], [{"kode": "a"}], [["a", -1, 2, "cm", "b", "more"]], [["a", "x"], ["b", 1]]]
)
def test_what_is_no_record_is_refused(given: Any) -> None:
    with pytest.raises(DataError):
        KIND.parse(given)


def test_a_cell_holds_a_record_as_json() -> None:
    assert KIND.read(json.dumps([["sex", None, "F"], {"code": "a/b", "time": -1}]), None) == (SEX, Event("a/b", -1))
    with pytest.raises(DataError, match="expected events as JSON"):
        KIND.read("[" * 10_000, None)


def test_the_latest_stay_and_what_has_no_time() -> None:
    still, timed = [Event(f"s{n}") for n in range(6)], [Event(f"t{n}", n - 6) for n in range(6)]
    assert latest([*still, *timed], 20) == [*still, *timed]
    assert latest([*still, *timed], 8) == [*still[:4], *timed[2:]]
    assert latest([*still[:2], *timed], 5) == [*still[:2], *timed[3:]]
    assert said([*still[:2], *timed], 3) == "s0; 2 s before: t4; 1 s before: t5"


def test_words_values_and_units_are_shown_and_told() -> None:
    assert KIND.text(RECORD) == "sex F; 400 d before: Body height 171.5 cm; 2 h before: Pneumonia"
    shown = KIND.show(RECORD)
    assert shown.count("<circle") == 2
    assert "Body height 171.5 cm" in shown
    assert "without time" in shown
    assert KIND.concepts(RECORD) == ("sex", "LOINC/8302-2", "ICD10CM/J18.9")
