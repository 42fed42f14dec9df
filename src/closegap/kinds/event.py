"""One entry of a health record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was recorded of a patient: a diagnosis, a measurement, a drug.

    Args:
        code: with the system that it is of before it: "ICD10CM/J18.9", "LOINC/8302-2".
        time: whole seconds from the moment of prediction, below 0; None for what has no time, such as the sex.
        value: a number or a text; None where the code says it all.
        unit: of the number.
        words: what the code means.
    """

    code: str
    time: int | None = None
    value: float | str | None = None
    unit: str | None = None
    words: str | None = None

    @property
    def system(self) -> str:
        """What the code is of; "" where it does not say.

        Example:
            >>> Event("LOINC/8302-2").system, Event("fever").system
            ('LOINC', '')
        """
        return self.code.partition("/")[0] if "/" in self.code else ""

    @property
    def known(self) -> str:
        """What the event says, but for its time, in words where there are any.

        Example:
            >>> Event("LOINC/8302-2", -60, 171.5, "cm", "Body height").known
            'Body height 171.5 cm'
        """
        name = self.words or self.code
        value = f"{self.value:.6g}" if isinstance(self.value, int | float) else self.value
        return " ".join(" ".join(part.split()) for part in (name, value, self.unit) if part)


def event_of(given: Any) -> Event:
    """The event that a person writes as a mapping or in a list.

    Raises:
        ValueError: it is none.

    Example:
        >>> event_of({"code": "LOINC/8302-2", "value": 171.5, "unit": "cm"})
        Event(code='LOINC/8302-2', time=None, value=171.5, unit='cm', words=None)
    """
    if isinstance(given, Event):
        return given
    try:
        if isinstance(given, Mapping):
            return Event(**given)
        if isinstance(given, Sequence) and not isinstance(given, str):
            return Event(*given)
    except TypeError as error:
        raise ValueError(f"expected code, time, value, unit and words of an event ({error})") from error
    raise ValueError(f"expected an event, found a {type(given).__name__}")


def problem_of(event: Any) -> str | None:
    """Why an event cannot be used, in a few words; None where it can."""
    if not isinstance(event, Event):
        return f"expected an event, found a {type(event).__name__}"
    if not isinstance(event.code, str) or not event.code.strip():
        return f"expected the code of an event, found {_told(event.code)}"
    for name in ("unit", "words"):
        if not isinstance(getattr(event, name), str | None):
            return f"event {_told(event.code)}: expected a text as its {name}, found {_told(getattr(event, name))}"
    value: Any = event.value
    time: Any = event.time
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        return f"event {_told(event.code)}: expected a number or a text as its value, found {_told(value)}"
    if isinstance(value, int | float) and not math.isfinite(value):
        return f"event {_told(event.code)}: expected a finite number as its value, found {value}"
    if time is None:
        return None
    if isinstance(time, bool) or not isinstance(time, int):
        return f"event {_told(event.code)}: expected whole seconds as its time, found {_told(time)}"
    if time >= 0:
        return f"event {_told(event.code)}: {time} s after the moment of prediction, expected only what came before it"
    return None


def _told(thing: Any) -> str:
    told = repr(thing)
    return told if len(told) <= 60 else f"{told[:57]}..."
