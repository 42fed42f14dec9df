"""Reliability diagrams: what is stated of each query's best target against what is so."""

from collections.abc import Mapping, Sequence
from typing import Any

from closegap.report.figures import Control, Plot, Section, color, plotly_text, series_color

Diagram = Sequence[Mapping[str, Any]]


def reliability_section(found: Mapping[str, Mapping[str, Diagram]]) -> Section | None:
    """One diagram with a line for each arm; the reader chooses the direction. None where nothing was calibrated.

    Args:
        found: arm to direction to bins: `stated`, `found`, `low`, `high` and `queries`.
    """
    if not found:
        return None
    directions = list(dict.fromkeys(name for by_direction in found.values() for name in by_direction))
    traces = [
        trace
        for direction in directions
        for trace in _traces(
            direction, {arm: by[direction] for arm, by in found.items() if direction in by}, list(found)
        )
    ]
    axis = {"tickformat": ".0%", "zeroline": False, "rangemode": "tozero"}
    layout = {
        "xaxis": {**axis, "title": {"text": "stated probability"}},
        "yaxis": {**axis, "title": {"text": "found to be relevant"}},
        "showlegend": True,
        "hovermode": "closest",
        "margin": {"t": 20, "b": 80},
    }
    names = {direction: direction.replace("_to_", " → ") for direction in directions}
    return Section(
        title="Does a stated probability hold?",
        lead="Each query's best target: what was stated of it, and how often it was relevant, in bins of equally many "
        "queries. On the dotted line both agree; below it too much was promised, above it too little. Bars: 95% "
        "intervals.",
        controls=[Control("direction", "Search", names)] if len(names) > 1 else [],
        plots=[Plot([{**t, "when": t["when"] if len(names) > 1 else {}} for t in traces], layout, shape="tall")],
    )


def _traces(direction: str, bins: Mapping[str, Diagram], arms: Sequence[str]) -> list[dict[str, Any]]:
    """The line of what holds, as far as anything is stated, and every arm."""
    right = max(bin["stated"] for of_arm in bins.values() for bin in of_arm)
    perfect = {
        "type": "scatter",
        "mode": "lines",
        "name": "as stated",
        "x": [0, right],
        "y": [0, right],
        "line": {"color": color("muted"), "dash": "dot", "width": 1.2},
        "hoverinfo": "skip",
        "when": {"direction": direction},
    }
    return [perfect, *(_trace(arm, arms.index(arm), direction, of_arm) for arm, of_arm in bins.items())]


def _trace(arm: str, index: int, direction: str, bins: Diagram) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plotly_text(arm, 40),
        "x": [bin["stated"] for bin in bins],
        "y": [bin["found"] for bin in bins],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [bin["high"] - bin["found"] for bin in bins],
            "arrayminus": [bin["found"] - bin["low"] for bin in bins],
            "color": series_color(index, 0.5),
            "thickness": 1.5,
            "width": 0,
        },
        "text": [f"stated {bin['stated']:.1%}<br>found {bin['found']:.1%} of {bin['queries']} queries" for bin in bins],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": max(6, 14 - 4 * index), "color": series_color(index)},
        "when": {"direction": direction},
    }
