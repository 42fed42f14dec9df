"""A health record as a picture."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from closegap.kinds.ago import ago
from closegap.kinds.event import Event

_LANES, _ROWS, _DOTS, _WORDS = 6, 8, 400, 8
_LEFT, _WIDTH, _LANE = 4, 240, 22
_TICKS = (
    (3600, "1 h"),
    (86_400, "1 d"),
    (2_592_000, "30 d"),
    (31_557_600, "1 y"),
    (631_152_000, "20 y"),
)
_SVG = Markup(
    '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;max-width:{}px" '
    'font-size="9" fill="currentColor">{}</svg>'
)
_TICK = Markup(
    '<line x1="{x}" x2="{x}" y1="0" y2="{y}" stroke="currentColor" stroke-opacity=".15"/>'
    '<text x="{x}" y="{below}" text-anchor="middle" opacity=".7">{text}</text>'
)
_NAME = Markup('<text x="0" y="{}" opacity=".7">{}</text>')
_ROW = Markup('<div style="margin:4px 0"><b>{}</b> {}</div>')
_WHOLE = Markup(
    '<div class="timeline" style="overflow:auto;max-height:320px;font-size:12px;line-height:1.35;text-align:left">'
    "{}</div>"
)
_DOT = Markup('<circle cx="{:.1f}" cy="{}" r="3" fill-opacity=".45"><title>{}</title></circle>')


def timeline(events: Sequence[Event]) -> Markup:
    """Dots on an axis of time, a lane for each system of codes, and below them the latest events in words.

    The axis is logarithmic in the time before the prediction, which is at its right. Of a long record the latest 400
    dots and 8 moments are shown, and how many more there are.
    """
    timed = [event for event in events if event.time is not None]
    parts = [_plot(timed)] if timed else []
    still = [event for event in events if event.time is None]
    rows = [_ROW.format("without time", _listed(still))] if still else []
    moments = [(time, list(found)) for time, found in groupby(timed, key=lambda event: event.time)]
    for time, found in reversed(moments[-_ROWS:]):
        when = f"{ago(time or 0)} before"
        rows.append(_ROW.format(when, _listed(found)))
    if (more := len(moments) - _ROWS) > 0:
        rows.append(Markup("<tr><th>earlier</th><td>{}</td></tr>").format(f"{more} more moments"))
    return _WHOLE.format(Markup("").join([*parts, *rows]))


def _plot(timed: Sequence[Event]) -> Markup:
    lanes = [name for name, _ in Counter(event.system for event in timed).most_common(_LANES)]
    longest = max(-(timed[0].time or 0), 60)
    bottom = _LANE * len(lanes) + 4
    marks = [_TICK.format(x=_WIDTH - 10, y=bottom, below=bottom + 12, text="now")]
    for seconds, text in _TICKS:
        if seconds <= longest:
            marks.append(_TICK.format(x=f"{_x(seconds, longest):.1f}", y=bottom, below=bottom + 12, text=text))
    for number, name in enumerate(lanes):
        marks.append(_NAME.format(_LANE * number + 8, _cut(name or "no system", 40)))
    for event in timed[-_DOTS:]:
        if event.system in lanes:
            y = _LANE * lanes.index(event.system) + 16
            told = f"{ago(event.time or 0)} before: {_cut(event.known, 80)}"
            marks.append(_DOT.format(_x(-(event.time or 0), longest), y, told))
    label = f"{len(timed)} events over {ago(timed[0].time or 0)}"
    return _SVG.format(_WIDTH, bottom + 18, label, _WIDTH + 80, Markup("").join(marks))


def _x(seconds: int, longest: int) -> float:
    share = math.log1p(seconds / 60) / math.log1p(longest / 60)
    return _WIDTH - 10 - share * (_WIDTH - 20 - _LEFT)


def _listed(events: Sequence[Event]) -> str:
    said = [_cut(text, 90) for text in dict.fromkeys(event.known for event in events)]
    more = len(said) - _WORDS
    return "; ".join(said[:_WORDS]) + (f"; {more} more" if more > 0 else "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
