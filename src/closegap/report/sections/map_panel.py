"""One panel of the latent map."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from closegap.report.figures import SYMBOLS, Note, Plot, When, color, plotly_text, series_color
from closegap.report.sections.projections import Plane, View

_TITLES = {
    "pca": ("first principal component", "second principal component"),
    "gap": ("mean difference", "first component across it"),
    "tsne": ("", ""),
}


def map_panel(
    panel: str, views: Mapping[str, Mapping[str, View]], modalities: Sequence[str], groups: Mapping[str, str]
) -> Plot:
    """The panel whose arm the control named `panel` chooses.

    Args:
        panel: "left" or "right"; with fewer than three arms there is no such control, and the arm is fixed.
        views: arm name to projection to its points; the arrays are the section's shared ones.
        modalities: names, in the order of their colours and symbols.
        groups: label group to the name of its colour; empty without labels.
    """
    arms = list(views)
    fixed = {"left": arms[0], "right": arms[-1]}[panel] if len(arms) < 3 else None
    kinds = list(next(iter(views.values())))
    traces: list[dict[str, Any]] = []
    layouts: list[tuple[When, dict[str, Any]]] = []
    notes: list[Note] = []
    for number, arm in enumerate(arms):
        if fixed not in (None, arm):
            continue
        chosen = {} if fixed else {panel: arm}
        layouts.append((chosen, {"title": {"text": plotly_text(arm, 60)}}))
        for kind in kinds:
            when = {**chosen, "view": kind}
            key = f"{number}/{kind}"
            traces.append(_lines(key, when))
            traces += _by_modality(key, modalities, {**when, "colour": "modality"} if groups else when)
            traces += _by_label(key, modalities, groups, {**when, "colour": "label"})
            if plane := views[arm][kind].plane:
                traces += _means(views[arm][kind], plane, modalities, when)
                notes.append(Note(_plane_note(kind, plane), when))
    for kind in kinds:
        reach = 1.06 * max(view[kind].reach for view in views.values()) or 1.0
        layouts.append(({"view": kind}, _axes(kind, reach)))
    if groups:
        shapes = ", ".join(f"{name}: {SYMBOLS[i % len(SYMBOLS)]}" for i, name in enumerate(modalities))
        notes.append(Note(f"Shapes are modalities ({shapes}).", {"colour": "label"}))
    layout = {"hovermode": "closest", "showlegend": True, "margin": {"b": 64}}
    return Plot(traces, layout, layouts, notes, shape="square")


def _lines(key: str, when: When) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": {"$data": f"{key}/lines/x"},
        "y": {"$data": f"{key}/lines/y"},
        "line": {"color": color("muted", 0.22), "width": 0.7},
        "hoverinfo": "skip",
        "showlegend": False,
        "when": when,
    }


def _points(key: str, name: str, index: int, paint: Mapping[str, Any], rows: str | None, when: When) -> dict[str, Any]:
    part = {} if rows is None else {"$rows": rows}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": {"$data": f"{key}/{name}/x", **part},
        "y": {"$data": f"{key}/{name}/y", **part},
        "text": {"$data": f"hover/{name}", **part},
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": paint,
            "size": 6.5,
            "symbol": SYMBOLS[index % len(SYMBOLS)],
            "line": {"width": 0.5, "color": color("surface")},
        },
        "when": when,
    }


def _by_modality(key: str, modalities: Sequence[str], when: When) -> Iterator[dict[str, Any]]:
    for i, name in enumerate(modalities):
        yield {**_points(key, name, i, series_color(i, 0.85), None, when), "name": plotly_text(name, 30)}


def _by_label(key: str, modalities: Sequence[str], groups: Mapping[str, str], when: When) -> Iterator[dict[str, Any]]:
    for g, (group, paint) in enumerate(groups.items()):
        for i, name in enumerate(modalities):
            points = _points(key, name, i, color(paint, 0.85), f"rows/{name}/{g}", when)
            yield {**points, "name": plotly_text(group, 30), "legendgroup": group, "showlegend": i == 0}


def _means(view: View, plane: Plane, modalities: Sequence[str], when: When) -> Iterator[dict[str, Any]]:
    for i, name in enumerate(modalities):
        if name not in plane.means:
            continue
        x, y = plane.means[name]
        yield {
            "type": "scatter",
            "mode": "markers",
            "x": [x],
            "y": [y],
            "marker": {
                "symbol": "circle-cross",
                "size": 15,
                "color": color("surface"),
                "line": {"width": 2, "color": series_color(i)},
            },
            "hovertemplate": f"mean of {plotly_text(name, 40)}<extra></extra>",
            "showlegend": False,
            "when": when,
        }


def _plane_note(kind: str, plane: Plane) -> str:
    first, second = (f"{100 * share:.1f}%" for share in plane.variance)
    shown = f"the plane shows {plane.gap_shown:.3f} of the gap of {plane.gap:.3f}"
    axes = "The two components hold" if kind == "pca" else "The two axes hold"
    return f"{axes} {first} and {second} of the variance; {shown}."


def _axes(kind: str, reach: float) -> dict[str, Any]:
    across, up = _TITLES[kind]
    scaled = kind != "tsne"  # coordinates of t-SNE mean nothing
    shared = {"range": [-reach, reach], "showticklabels": scaled, "showgrid": scaled, "zeroline": False}
    return {
        "xaxis": {**shared, "title": {"text": across}},
        "yaxis": {**shared, "title": {"text": up}, "scaleanchor": "x", "constrain": "domain"},
    }
