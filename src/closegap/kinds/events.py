"""Health records as sequences of events."""

import json
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.errors import DataError
from closegap.kinds.ago import ago
from closegap.kinds.event import Event, event_of, problem_of
from closegap.kinds.structured import StructuredKind
from closegap.kinds.timeline import timeline

_AT_A_GLANCE = 200  # events of a line


class EventsKind(StructuredKind):
    """Health records: each a tuple of events as they were known at a moment, which is that of prediction.

    An event at the moment of prediction, or after it, is refused, whoever read it: what is to be predicted cannot
    enter. Events without a time come first, the others in the order of their times, so that a record has one form.
    """

    noun: ClassVar[str] = "health record"

    def parse(self, given: Any) -> tuple[Event, ...]:
        """The events in their order; each an `Event`, a mapping of its fields or a list of them.

        Raises:
            DataError: one is none of these.
        """
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise DataError(f"expected a list of events, found a {type(given).__name__}")
        try:
            return in_order(map(event_of, given))
        except (TypeError, ValueError) as error:
            raise DataError(f"{error}") from error

    def read(self, cell: Any, folder: Any) -> tuple[Event, ...]:
        """The events of a cell that holds them as JSON.

        Raises:
            DataError: it holds something else.
        """
        del folder
        try:
            return self.parse(json.loads(cell) if isinstance(cell, str) else cell)
        except (ValueError, RecursionError) as error:
            raise DataError(f"expected events as JSON ({type(error).__name__})") from error

    def problem(self, item: Any) -> str | None:
        """Something else than events, none, one that is not sound or too late, or another order than that of time."""
        if not isinstance(item, tuple):
            return f"expected a tuple of events, found a {type(item).__name__}"
        if not item:
            return "expected events, found none"
        problem = next(filter(None, map(problem_of, item)), None)
        if problem is None and any(_place(a) > _place(b) for a, b in pairwise(item)):
            return "events are not in the order of time; make them with EventsKind().parse"
        return problem

    def concepts(self, item: Any) -> tuple[str, ...]:
        """The codes, each once."""
        return tuple(dict.fromkeys(map(attrgetter("code"), item)))

    def pack(self, item: Any) -> bytes:
        """JSON: a list for each event, without what it lacks at the end."""
        return json.dumps([_fields(event) for event in item], ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogatepass"
        )

    def unpack(self, data: bytes) -> tuple[Event, ...]:
        """The events."""
        return tuple(Event(*fields) for fields in json.loads(data.decode(errors="surrogatepass")))

    def text(self, item: Any) -> str:
        """What is known, the latest last, in a line; of a very long record what has no time, and the latest."""
        return said(item, _AT_A_GLANCE)

    def show(self, item: Any) -> Markup:
        """A timeline: what was when, on an axis that gives the last days more room, and in words."""
        return timeline(item)


def in_order(events: Any) -> tuple[Event, ...]:
    """The events without a time first, the others by time; of one time in the order in which they are given."""
    return tuple(sorted(events, key=_place))


def said(events: Sequence[Event], most: int) -> str:
    """At most so many events in a line of words: those without a time, and the latest.

    Example:
        >>> said([Event("sex/F", words="female"), Event("ICD10CM/J18.9", -7200, words="Pneumonia")], 9)
        'female; 2 h before: Pneumonia'
    """
    parts, before = [], ""
    for event in latest(events, most):
        when = "" if event.time is None else f"{ago(event.time)} before: "
        parts.append(event.known if when == before else when + event.known)
        before = when
    return "; ".join(parts)


def latest(events: Sequence[Event], most: int) -> Sequence[Event]:
    """At most so many events: the first of those without a time, of which half may be, and the latest of the others."""
    if len(events) <= most:
        return events
    timeless = sum(event.time is None for event in events)
    kept = min(timeless, max(most - (len(events) - timeless), most // 2))
    return [*events[:kept], *events[len(events) - (most - kept) :]]


def _place(event: Event) -> float:
    return float("-inf") if event.time is None else event.time


def _fields(event: Event) -> list[Any]:
    fields = [event.code, event.time, event.value, event.unit, event.words]
    while fields[-1] is None:
        fields.pop()
    return fields
