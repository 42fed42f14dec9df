"""The frontier: what closing the gap costs or brings on a task."""

from collections.abc import Mapping, Sequence
from typing import Any

from closegap.evaluation.report import Arm, Estimate
from closegap.evaluation.series import Series
from closegap.metrics.figure import ARROWS, Figure
from closegap.metrics.gap import GAP
from closegap.report.figures import SERIES, SYMBOLS, Control, Plot, Section, plotly_text, series_color


def frontier(series: Sequence[Series], figures: Mapping[str, Figure]) -> Section | None:
    """The gap against a task's figure, which the reader chooses; None where no arm has both.

    Args:
        series: trained arms one by one, post-hoc methods as sweeps of their knob.
        figures: full name to figure of the arms' numbers, in reading order.
    """
    arms = [arm for line in series for arm in line.arms]
    gaps = [figure for figure in figures.values() if figure.name == GAP.name]
    tasks = [figure for figure in figures.values() if figure.task and any(_point(arm, figure, gaps) for arm in arms)]
    if not tasks:
        return None
    default = next((task for task in tasks if task.headline is not None), tasks[0]).full_name
    traces = [
        trace for task in tasks for i, line in enumerate(series) if (trace := _trace(line, i, task, gaps)) is not None
    ]
    layout = {
        "xaxis": {"title": {"text": "modality gap"}, "rangemode": "tozero", "zeroline": False},
        "yaxis": {"zeroline": False},
        "hovermode": "closest",
        "showlegend": True,
        "margin": {"t": 20, "b": 80},
    }
    layouts = [({"task": task.full_name}, {"yaxis": _axis(task)}) for task in tasks]
    return Section(
        title="Does closing the gap pay?",
        lead="Each point is an arm; farther left is a smaller gap. Lines sweep a method's knob. Bars: 95% intervals.",
        controls=[Control("task", "Task", {task.full_name: _title(task) for task in tasks}, default)],
        plots=[Plot(traces, layout, layouts, shape="tall")],
    )


def _trace(line: Series, index: int, task: Figure, gaps: Sequence[Figure]) -> dict[str, Any] | None:
    knobs: Sequence[float | None] = line.knobs or [None] * len(line.arms)
    points = [
        (arm, knob, *point)
        for arm, knob in zip(line.arms, knobs, strict=True)
        if (point := _point(arm, task, gaps)) is not None
    ]
    if not points:
        return None
    texts = [
        f"<b>{plotly_text(arm.name, 60)}</b>"
        + ("" if knob is None else f" at {knob:g}")
        + f"<br>gap {gap.value:.3f}<br>{plotly_text(_title(task))} {task.text(value.value)} {task.interval(value)}"
        for arm, knob, gap, value in points
    ]
    return {
        "type": "scatter",
        "mode": "lines+markers" if line.knobs else "markers",
        "name": plotly_text(line.name, 40),
        "x": [gap.value for _, _, gap, _ in points],
        "y": [value.value for _, _, _, value in points],
        "error_x": _bars([gap for _, _, gap, _ in points], index),
        "error_y": _bars([value for _, _, _, value in points], index),
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": 7 if line.knobs else 11,
            "symbol": SYMBOLS[index // SERIES % len(SYMBOLS)],
            "color": series_color(index),
        },
        "line": {"color": series_color(index, 0.6), "width": 1.5},
        "when": {"task": task.full_name},
    }


def _point(arm: Arm, task: Figure, gaps: Sequence[Figure]) -> tuple[Estimate, Estimate] | None:
    """The gap and the task's value; a figure of all modalities together stands over the mean gap of their pairs."""
    value = arm.metrics.get(task.full_name)
    gap = arm.metrics.get(task.sibling(GAP.name))
    if gap is None and not task.pair:
        of_pairs = [arm.metrics[one.full_name].value for one in gaps if one.full_name in arm.metrics]
        gap = Estimate(sum(of_pairs) / len(of_pairs)) if of_pairs else None
    return None if value is None or gap is None else (gap, value)


def _bars(estimates: Sequence[Estimate], index: int) -> Mapping[str, Any]:
    def reach(end: float | None, value: float) -> float:
        return 0.0 if end is None else abs(end - value)

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(e.high, e.value) for e in estimates],
        "arrayminus": [reach(e.low, e.value) for e in estimates],
        "color": series_color(index, 0.35),
        "thickness": 1,
        "width": 0,
    }


def _axis(task: Figure) -> dict[str, Any]:
    percent = task.unit == "percent"
    return {
        "title": {"text": f"{plotly_text(_title(task))} {ARROWS[task.direction]}"},
        "tickformat": ".0%" if percent else "",
    }


def _title(task: Figure) -> str:
    return f"{task.about}, {task.title}" if task.pair else task.title
