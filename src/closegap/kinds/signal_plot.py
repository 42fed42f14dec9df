"""A signal as a page shows it: its leads below each other."""

import numpy as np
from jaxtyping import Float32
from markupsafe import Markup

from closegap.kinds.clock import clock
from closegap.kinds.traces import Traces
from closegap.kinds.waveform import Waveform

_SECONDS, _LEADS = 10.0, 12
_LEFT, _WIDTH, _COLUMNS = 34, 300, 250
_ROW, _BELOW = 26, 26
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1200, 3600, 7200, 21_600, 86_400)
_SLOW = 500  # samples that are shown of what has fewer in ten seconds
_SVG = Markup(
    '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;max-width:{}px" font-size="8" '
    'fill="currentColor">{}</svg>'
)
_LINE = Markup(
    '<path d="{}" transform="scale(.1)" fill="none" stroke="currentColor" stroke-width="8" stroke-linejoin="round">'
    "<title>{}</title></path>"
)
_NAME = Markup('<text x="0" y="{:.1f}" font-weight="bold">{}</text>')
_TICK = Markup(
    '<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{y}" stroke="currentColor" stroke-opacity=".15"/>'
    '<text x="{x:.1f}" y="{below}" text-anchor="middle" opacity=".7">{text}</text>'
)
_BAR = Markup(
    '<path d="M{x} {top:.1f}h-3V{bottom:.1f}h3" fill="none" stroke="currentColor" stroke-opacity=".6"/>'
    '<text x="{x}" y="{low:.1f}" text-anchor="end" opacity=".7" font-size="6">{text}</text>'
)
_WHOLE = Markup('<div class="signal" style="text-align:left">{}<small>{}</small></div>')


def plot(waveform: Waveform) -> Markup:
    """The first ten seconds of the first twelve leads as SVG: seconds below, what each lead's height is at its left.

    Of what is recorded so slowly that ten seconds say little, the first 500 samples.

    Leads in one unit have one scale, so that they can be compared. Where a pixel holds many samples its least and its
    largest are drawn; gaps stay empty. It has the colour of the text around it.

    Raises:
        DataError: nothing that can be shown.
    """
    whole = waveform.traces(seconds=_SECONDS)
    if _SECONDS * whole.rate < _SLOW:
        whole = waveform.traces(seconds=_SLOW / whole.rate)
    shown = Traces(whole.values[:_LEADS], whole.rate, whole.leads[:_LEADS], whole.units[:_LEADS])
    bottom = _ROW * len(shown.leads)
    parts = [_ticks(shown.seconds, bottom)]
    for row, name in enumerate(shown.leads):
        unit = shown.units[row]
        top = _ROW * row
        parts.append(_NAME.format(top + 10, name[:8]))
        low, high = _range(shown, row)
        said = f"{_number(high - low)} {unit}".strip()
        parts.append(_BAR.format(x=_LEFT - 2, top=top + 2, bottom=top + _ROW - 2, low=top + _ROW - 4, text=said))
        parts.append(_LINE.format(_path(shown.values[row], low, high, top), f"{name}: {said} from bottom to top"))
    more = len(whole.leads) - len(shown.leads)
    label = f"{len(whole.leads)} leads, {clock(shown.seconds)}"
    caption = f"{clock(shown.seconds)} at {whole.rate:g} Hz" + (f", {more} more leads" if more > 0 else "")
    svg = _SVG.format(_LEFT + _WIDTH + 6, bottom + _BELOW - 12, label, _LEFT + _WIDTH + 80, Markup("").join(parts))
    return _WHOLE.format(svg, caption)


def _range(shown: Traces, row: int) -> tuple[float, float]:
    """Of all leads in this one's unit: as high as the largest range of any, around this one's middle."""
    same = [place for place, unit in enumerate(shown.units) if unit == shown.units[row]]
    ranges = [_extremes(shown.values[place]) for place in same]
    height = max(high - low for low, high in ranges) or 1.0
    low, high = _extremes(shown.values[row])
    return (low + high - height) / 2, (low + high + height) / 2


def _extremes(lead: Float32[np.ndarray, "n"]) -> tuple[float, float]:
    known = lead[~np.isnan(lead)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _path(lead: Float32[np.ndarray, "n"], low: float, high: float, top: float) -> str:
    """The line in tenths of a pixel: absolute where it begins, behind a gap too, then from point to point."""
    y = top + 2 + (_ROW - 4) * (1 - (lead.astype(np.float64) - low) / (high - low))
    x = _LEFT + _WIDTH * (np.arange(len(lead)) + 0.5) / len(lead)
    if len(lead) > 2 * _COLUMNS:
        x, y = _thinned(x, y)
    parts, before = [], None
    for place, height in zip(np.rint(10 * x), np.rint(10 * y), strict=True):
        if np.isnan(height):
            before = None
            continue
        if before is None:
            parts.append(f"M{place:.0f} {height:.0f}l0 0")
        else:
            parts.append(f" {place - before[0]:.0f} {height - before[1]:.0f}".replace(" -", "-"))
        before = (place, height)
    return "".join(parts) or "M0 0"


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest of each column, in the order in which they come."""
    kept = []
    for part in np.array_split(np.arange(len(y)), _COLUMNS):
        known = part[~np.isnan(y[part])]
        found = [part[0]] if not known.size else [known[np.argmin(y[known])], known[np.argmax(y[known])]]
        kept.extend(sorted(set(found)))
    return x[kept], y[kept]


def _ticks(seconds: float, bottom: int) -> Markup:
    step = next((step for step in _STEPS if seconds / step <= 10), seconds / 10)
    unit, name = next((length, name) for length, name in ((3600, "h"), (60, "min"), (0, "s")) if step >= length)
    marks = []
    for number in range(int(seconds / step + 1e-9) + 1):
        x = _LEFT + _WIDTH * number * step / seconds
        text = f"{_number(number * step / (unit or 1))}" + (f" {name}" if number == 0 else "")
        marks.append(_TICK.format(x=x, y=bottom, below=bottom + 9, text=text))
    return Markup("").join(marks)


def _number(value: float) -> str:
    return f"{value:.3g}"
