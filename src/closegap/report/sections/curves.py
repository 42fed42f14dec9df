"""Gap, true-pair cosine and recall over training."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from closegap.evaluation.metric import Metric, describe
from closegap.report.figures import DASHES, SERIES, Control, Plot, Section, When, legend, plotly_text, series_color

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""The rows of a metrics.jsonl."""

Curve: TypeAlias = Sequence[tuple[int, float, float, float]]
"""Step, mean, lowest and highest over the seeds."""


def training_curves(
    runs: Mapping[str, Sequence[Rows]], *, metrics: Sequence[str] = ("gap", "cos_true_pairs", "R@10")
) -> Section | None:
    """One plot for each metric, one line for each arm; None where no row has any of the metrics.

    Args:
        runs: arm name to the rows of metrics.jsonl of each seed; rows without a metric do not count for it.
        metrics: what to draw. A logged name matches when it equals one of these or ends in it after "/" or ":";
            of several matches the reader chooses.
    """
    logged = list(dict.fromkeys(name for seeds in runs.values() for rows in seeds for row in rows for name in row))
    controls: list[Control] = []
    plots: list[Plot] = []
    for metric in metrics:
        names = [name for name in logged if re.search(rf"(^|[/:]){re.escape(metric)}$", name)]
        names = [name for name in names if any(_curve(seeds, name) for seeds in runs.values())]
        if not names:
            continue
        control = f"curve {metric}"
        if len(names) > 1:
            controls.append(Control(control, describe(metric).label, {name: _title(name) for name in names}))
        plots.append(_plot(runs, names, control if len(names) > 1 else None))
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


def _plot(runs: Mapping[str, Sequence[Rows]], names: Sequence[str], control: str | None) -> Plot:
    traces: list[dict[str, Any]] = []
    layouts: list[tuple[When, dict[str, Any]]] = []
    for name in names:
        when = {} if control is None else {control: name}
        layouts.append((when, {"title": {"text": plotly_text(_title(name), 80)}, "yaxis": _axis(name)}))
        null = re.sub(r"cos_true_pairs$", "cos_null", name)
        for i, (arm, seeds) in enumerate(runs.items()):
            curve = _curve(seeds, name)
            if any(low < high for _, _, low, high in curve):
                traces.append(_band(curve, arm, i, when))
            traces.append(_line(curve, arm, i, when))
            if null != name and (nulls := _curve(seeds, null)):
                traces.append(_line(nulls, arm, i, when, null=True))
        if null != name:
            layouts[-1][1]["title"]["text"] += ", null dotted"
    layout = {
        "xaxis": {"title": {"text": "step"}, "zeroline": False},
        "hovermode": "x unified",
        "margin": {"t": 40},
        "showlegend": False,
    }
    return Plot(traces, layout, layouts)


def _axis(name: str) -> dict[str, Any]:
    percent = _metric(name).unit == "percent"
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


def _metric(name: str) -> Metric:
    """The metric of a logged name, which may stand behind the split's ("validation/gap")."""
    whole, rest = describe(name), describe(name.partition("/")[2])
    return rest if "/" in whole.pair or (whole.group == "Other" and rest.group != "Other") else whole


def _title(name: str) -> str:
    metric = _metric(name)
    split = name.removesuffix(metric.name).rstrip("/")
    title = f"{metric.pair.replace('|', ' and ')}: {metric.title}" if metric.pair else metric.title
    return f"{title}, {split}" if split else title
