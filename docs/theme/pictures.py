"""Figures of the site, as SVG whose colours are those of the theme that the reader chose."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from closegap import EmbeddingSet
from closegap.report.sections.projections import gap_plane

SIDE, EDGE, LEGEND = 300, 14, 44


def planes(sets: Mapping[str, EmbeddingSet], joined: int = 12) -> Markup:
    """Each set in the plane that shows its gap in full; a line joins the first few true pairs.

    Args:
        sets: title to set; rows of all modalities.
        joined: how many pairs.
    """
    panels = [_panel(title, rows, EDGE + place * SIDE, joined) for place, (title, rows) in enumerate(sets.items())]
    names = next(iter(sets.values())).modalities
    return _figure(len(sets) * SIDE + 2 * EDGE, SIDE + LEGEND, [*panels, _legend(names)])


def curve(points: Sequence[tuple[float, float]], across: str, up: str) -> Markup:
    """A line through points (x, y), with the ends of both axes written beside them."""
    x, y = np.asarray(points, dtype=float).T
    wide, high = 2 * SIDE, SIDE
    left, right, top, bottom = 60, wide - 20, 30, high - 46
    places = list(zip(_spread(x, left, right), _spread(y, bottom, top), strict=True))
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dots = [Markup('<circle class="series-0" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(a, b) for a, b in places]
    words = [
        _text(across, (left + right) / 2, high - 10, "middle"),
        _text(up, left - 46, 18),
        *(_text(f"{x[at]:.2f}", places[at][0], bottom + 20, "middle") for at in (x.argmin(), x.argmax())),
        *(_text(f"{y[at]:.0%}", left - 10, places[at][1] + 4, "end") for at in (y.argmin(), y.argmax())),
    ]
    axis = Markup('<path class="axis" d="M{0} {1}V{2}H{3}"/>').format(left, top, bottom, right)
    return _figure(wide, high, [axis, Markup('<polyline class="series-0" points="{}"/>').format(line), *dots, *words])


def _panel(title: str, rows: EmbeddingSet, left: int, joined: int) -> Markup:
    points = {name: np.asarray(values, dtype=float) for name, values in rows.embeddings.items()}
    plane = gap_plane(points)
    placed = {name: plane.project(values) for name, values in points.items()}
    reach = max(float(np.abs(values).max()) for values in placed.values())
    middle = np.array([left + SIDE / 2, SIDE / 2 + 12])
    drawn = {name: middle + values * (SIDE / 2 - 26) / reach * [1, -1] for name, values in placed.items()}
    pairs = zip(*(values[:joined] for values in drawn.values()), strict=True)
    lines = Markup("").join(
        Markup('<polyline class="pair" points="{}"/>').format(" ".join(f"{a:.1f},{b:.1f}" for a, b in case))
        for case in pairs
    )
    dots = Markup("").join(
        Markup('<circle class="series-{}" cx="{:.1f}" cy="{:.1f}" r="2.2"/>').format(which, a, b)
        for which, values in enumerate(drawn.values())
        for a, b in values
    )
    return dots + lines + _text(f"{title}: gap {plane.gap:.2f}", left + SIDE / 2, 16, "middle")


def _spread(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (values - values.min()) / (np.ptp(values) or 1.0)
    return low + share * (high - low)


def _legend(names: Sequence[str]) -> Markup:
    entries = [
        Markup('<circle class="series-{0}" cx="{1}" cy="{2}" r="5"/>').format(which, EDGE + 8 + 110 * which, SIDE + 28)
        + _text(name, EDGE + 20 + 110 * which, SIDE + 32)
        for which, name in enumerate(names)
    ]
    return Markup("").join(entries)


def _text(words: str, x: float, y: float, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.0f}" y="{:.0f}" text-anchor="{}">{}</text>').format(x, y, anchor, escape(words))


def _figure(width: int, height: int, parts: Sequence[Markup]) -> Markup:
    inside = Markup("").join(parts)
    return Markup('<figure class="drawn"><svg viewBox="0 0 {} {}" role="img">{}</svg></figure>').format(
        width, height, inside
    )
