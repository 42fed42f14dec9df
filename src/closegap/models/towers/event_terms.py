"""What a health record has in common with another: the terms of its events."""

import math
import re
from collections.abc import Iterator, Sequence

from closegap.kinds.event import Event

_WORD = re.compile(r"\w\w+")
_PARTS = 4
"""Ranges of values for each doubling."""
_SPANS = (3600, 86_400, 604_800, 2_592_000, 31_557_600, 315_576_000)  # an hour, a day, a week, a month, a year, ten


def event_terms(events: Sequence[Event]) -> Iterator[str]:
    """The terms of each event: its code, how long ago that was, the range of its value, and the words of either.

    A number is told by its code, its unit and its range: four ranges for each doubling, so that nothing is fitted, and
    what is fitted to the terms may find that neighbours mean the same.

    Example:
        >>> sorted(event_terms([Event("LOINC/718-7", -7200, 9.0, "g/dL", "Hemoglobin")]))
        ['LOINC/718-7', 'LOINC/718-7 g/dL 13', 'LOINC/718-7 within 2', 'hemoglobin']
    """
    for event in events:
        yield event.code
        if event.time is not None:
            yield f"{event.code} within {sum(-event.time > span for span in _SPANS) + 1}"
        if isinstance(event.value, str):
            yield f"{event.code} {event.value.casefold()}"
        elif event.value is not None:
            yield f"{event.code} {event.unit or ''} {value_range(event.value)}"
        for text in (event.words, event.value):
            if isinstance(text, str):
                yield from (f"{found[0].casefold()}" for found in _WORD.finditer(text))


def value_range(value: float) -> str:
    """The range that a number lies in, by its sign and a quarter of a doubling; nothing is fitted.

    Example:
        >>> value_range(1.0), value_range(2.1), value_range(-2.1), value_range(0)
        ('0', '4', '-4', 'zero')
    """
    if value == 0:
        return "zero"
    place = math.floor(_PARTS * math.log2(abs(value)) + 0.5)
    return f"{'-' if value < 0 else ''}{place}"
