"""Gap, true-pair cosine and recall over training."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from closegap.metrics.cosines import COS_NULL, COS_TRUE_PAIRS
from closegap.metrics.figure import Figure
from closegap.report.figures import DASHES, SERIES, Control, Plot, Section, When, legend, plotly_text, series_color

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""The rows of a metrics.jsonl."""

Curve: TypeAlias = Sequence[tuple[int, float, float, float]]
"""Step, mean, lowest and highest over the seeds."""


def training_curves(
    runs: Mapping[str, Sequence[Rows]], figures: Iterable[Figure], split: str = "validation"
) -> Section | None:
    """Headlines and cosines over training: a plot for each label, a line for each arm; None where there are no rows.

    Args:
        runs: arm name to the rows of metrics.jsonl of each seed; rows without a figure do not count for it.
        figures: what the runs logged. Of several under one label, of other pairs or directions, the reader chooses.
        split: what the names of figures are logged under: `validation/gap`.
    """
    logged = {figure: f"{split}/{figure.full_name}" for figure in figures}
    drawn: dict[str, dict[str, Figure]] = {}
    for figure, name in logged.items():
        watched = figure.headline is not None or figure.name == COS_TRUE_PAIRS.name
        if watched and any(_curve(seeds, name) for seeds in runs.values()):
            drawn.setdefault(figure.label, {})[name] = figure
    controls: list[Control] = []
    plots: list[Plot] = []
    for label, named in drawn.items():
        control = f"curve {label}"
        if len(named) > 1:
            controls.append(Control(control, label, {name: _title(named[name], split) for name in named}))
        plots.append(_plot(runs, named, control if len(named) > 1 else None, split))
    if not plots:
        return None
    several = any(len(seeds) > 1 for seeds in runs.values())
    lead = "Lines are means over seeds, bands reach from the lowest to the highest." if several else ""
    return Section("Over training", lead, legend(list(runs)), controls, plots, per_row=min(3, len(plots)))


def _curve(seeds: Sequence[Rows], name: str) -> Curve:
    values: dict[int, list[float]] = {}
    for rows in seeds:
        for row in rows:
            value = row.get(name)
            if isinstance(value, int | float) and math.isfinite(value) and "step" in row:
                values.setdefault(int(row["step"]), []).append(float(value))
    return [(step, sum(found) / len(found), min(found), max(found)) for step, found in sorted(values.items())]


def _plot(runs: Mapping[str, Sequence[Rows]], figures: Mapping[str, Figure], control: str | None, split: str) -> Plot:
    traces: list[dict[str, Any]] = []
    layouts: list[tuple[When, dict[str, Any]]] = []
    for name, figure in figures.items():
        when = {} if control is None else {control: name}
        null = f"{split}/{figure.sibling(COS_NULL.name)}" if figure.name == COS_TRUE_PAIRS.name else None
        title = plotly_text(_title(figure, split), 80) + (", null dotted" if null else "")
        layouts.append((when, {"title": {"text": title}, "yaxis": _axis(figure)}))
        for i, (arm, seeds) in enumerate(runs.items()):
            curve = _curve(seeds, name)
            if any(low < high for _, _, low, high in curve):
                traces.append(_band(curve, arm, i, when))
            traces.append(_line(curve, arm, i, when))
            if null is not None and (nulls := _curve(seeds, null)):
                traces.append(_line(nulls, arm, i, when, null=True))
    layout = {
        "xaxis": {"title": {"text": "step"}, "zeroline": False},
        "hovermode": "x unified",
        "margin": {"t": 40},
        "showlegend": False,
    }
    return Plot(traces, layout, layouts)


def _axis(figure: Figure) -> dict[str, Any]:
    percent = figure.unit == "percent"
    return {"tickformat": ".0%" if percent else "", "hoverformat": ".1%" if percent else ".3f", "rangemode": "tozero"}


def _line(curve: Curve, arm: str, index: int, when: When, *, null: bool = False) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(curve) < 3 else "lines",
        "name": plotly_text(arm, 40) + (" null" if null else ""),
        "x": [step for step, *_ in curve],
        "y": [mean for _, mean, _, _ in curve],
        "line": {
            "color": series_color(index, 0.7 if null else 1.0),
            "width": 1.2 if null else 2,
            "dash": "dot" if null else DASHES[index // SERIES % len(DASHES)],
        },
        "when": when,
    }


def _band(curve: Curve, arm: str, index: int, when: When) -> dict[str, Any]:
    steps = [step for step, *_ in curve]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": steps + steps[::-1],
        "y": [high for *_, high in curve] + [low for _, _, low, _ in reversed(curve)],
        "fill": "toself",
        "fillcolor": series_color(index, 0.14),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "when": when,
    }


def _title(figure: Figure, split: str) -> str:
    return f"{figure.about}: {figure.title}, {split}" if figure.pair else f"{figure.title}, {split}"
