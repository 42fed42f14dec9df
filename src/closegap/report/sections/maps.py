"""The latent map: embeddings before and after, in two dimensions, true pairs joined by lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.report.figures import Control, Section, options, plotly_text
from closegap.report.sections.map_panel import map_panel
from closegap.report.sections.projections import View, gap_plane, pca_plane, tsne
from closegap.side_by_side import side_by_side

_FIT_CASES = 2_000
_LABELS = 7  # more colours cannot be told apart
_UNKNOWN = "without label"
_KINDS = {"gap": "Gap axis", "pca": "PCA", "tsne": "t-SNE"}  # the one that shows a gap first
_NOTES = {
    "pca": "PCA shows the directions in which all modalities, pooled, vary most, whatever the cause.",
    "gap": "This plane is chosen to show the gap, as much of it as a plane can; other differences may be hidden.",
    "tsne": "t-SNE keeps neighbours together, but neither distances nor sizes nor density: do not read a gap off it.",
}


def latent_map(
    sets: Mapping[str, EmbeddingSet],
    hover: Sequence[str] | None = None,
    *,
    label: str | None = None,
    pairs: int = 300,
    with_tsne: bool = True,
    named: bool = True,
    seed: int = 0,
) -> Section:
    """Two panels, an arm in each; projection and colouring are chosen by the reader.

    Args:
        sets: arm name to embeddings of the same rows; the first arm stands left, the last right.
        hover: a text for each row, shown with the case's id and label.
        label: which of the sets' labels colours the points; default the first there is.
        pairs: cases drawn, a seeded sample; planes are fitted to up to 2,000 cases.
        with_tsne: whether to compute t-SNE, a second or two for each arm.
        named: whether points tell their case: id, label, text.
        seed: of the sample and of t-SNE.

    Raises:
        DataError: arms or hover texts of different rows, a label that the sets lack, or no case with two modalities.
    """
    _check(sets, hover, label)
    first = next(iter(sets.values()))
    labels = first.labels[label] if label else next(iter(first.labels.values()), None)
    labels = labels if named else None
    cases = _cases(first)
    shown, fitted = _sample(cases, pairs, seed), _sample(cases, max(pairs, _FIT_CASES), seed)
    held = {name: [row for row in shown if first.mask(name)[row]] for name in first.modalities}
    groups = _groups(labels, shown)
    kinds = [kind for kind in _KINDS if with_tsne or kind != "tsne"]

    def seen(embeddings: EmbeddingSet) -> dict[str, View]:
        return {kind: _view(kind, embeddings, held, fitted, seed) for kind in kinds}

    views = dict(zip(sets, side_by_side(seen, sets.values()), strict=True))
    shared: dict[str, Sequence[Any]] = {}
    for name, rows in held.items():
        shared[f"hover/{name}"] = [_hover(first, row, name, labels, hover, named) for row in rows]
        for i, members in enumerate(groups.values()):
            shared[f"rows/{name}/{i}"] = [k for k, row in enumerate(rows) if row in members]
    for number, by_kind in enumerate(views.values()):
        for kind, view in by_kind.items():
            shared |= {f"{number}/{kind}/{name}": axis for name, axis in _coordinates(view, held).items()}
    panels = {"left": "Left", "right": "Right"} if len(sets) > 1 else {"left": ""}
    return Section(
        title="Latent map",
        lead="One point is one item of one modality; a thin line joins the items of a case, a ringed cross is a mean. "
        f"{len(shown):,} of {len(cases):,} cases, drawn at random."
        + (" Panels share axes; each arm has its own plane." if len(panels) > 1 else ""),
        controls=_controls(list(sets), kinds, panels, bool(groups)),
        plots=[map_panel(panel, views, first.modalities, _paints(groups)) for panel in panels],
        shared=shared,
        per_row=len(panels),
    )


def _check(sets: Mapping[str, EmbeddingSet], hover: Sequence[str] | None, label: str | None) -> None:
    name, first = next(iter(sets.items()))
    for other, embeddings in sets.items():
        if list(embeddings.ids) != list(first.ids) or embeddings.modalities != first.modalities:
            raise DataError(f"latent map: arm {other!r} holds other cases or modalities than {name!r}; use one split")
    if hover is not None and len(hover) != len(first.ids):
        raise DataError(f"latent map: {len(hover)} hover texts for {len(first.ids)} rows; give one for each row")
    if label is not None and label not in first.labels:
        known = ", ".join(first.labels) or "none"
        raise DataError(f"latent map: no labels named {label!r}, the sets have {known}; choose one of these")


def _cases(embeddings: EmbeddingSet) -> list[int]:
    """The first row of each case that holds at least two modalities."""
    counts = np.sum([embeddings.mask(name).numpy() for name in embeddings.modalities], axis=0)
    rows: dict[str, int] = {}
    for row in np.flatnonzero(counts >= 2).tolist():
        rows.setdefault(embeddings.ids[row], row)
    if not rows:
        raise DataError(
            "latent map: no row holds two modalities, so there is no pair to draw; check the presence masks"
        )
    return list(rows.values())


def _sample(rows: Sequence[int], limit: int, seed: int) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(rows))[:limit]
    return [rows[i] for i in sorted(order.tolist())]


def _view(
    kind: str, embeddings: EmbeddingSet, held: Mapping[str, Sequence[int]], fitted: Sequence[int], seed: int
) -> View:
    shown = {name: _rows(embeddings, name, rows) for name, rows in held.items() if rows}
    if kind == "tsne":
        return View(tsne(shown, seed))
    present = {name: [row for row in fitted if embeddings.mask(name)[row]] for name in shown}
    points = {name: _rows(embeddings, name, rows) for name, rows in present.items()}
    plane = pca_plane(points) if kind == "pca" else gap_plane(points)
    return View({name: plane.project(rows) for name, rows in shown.items()}, plane)


def _rows(embeddings: EmbeddingSet, name: str, rows: Sequence[int]) -> Float[np.ndarray, "n d"]:
    values: Float[np.ndarray, "n d"] = embeddings.embeddings[name][list(rows)].float().numpy()
    return values


def _groups(labels: Sequence[str] | None, rows: Sequence[int]) -> dict[str, set[int]]:
    """Label to its rows: the most frequent labels, then all others together, then the unknown."""
    if labels is None:
        return {}
    counts = Counter(labels[row] for row in rows if labels[row])
    named = [label for label, _ in counts.most_common(_LABELS)]
    groups = {label: {row for row in rows if labels[row] == label} for label in named}
    rest = {row for row in rows if labels[row] and labels[row] not in groups}
    unknown = {row for row in rows if not labels[row]}
    extra = {f"{len(counts) - len(named)} other labels": rest, _UNKNOWN: unknown}
    return groups | {title: members for title, members in extra.items() if members}


def _paints(groups: Mapping[str, set[int]]) -> dict[str, str]:
    """Label group to the name of its colour; other and unknown labels are grey."""
    return {title: f"series-{i}" if i < _LABELS and title != _UNKNOWN else "muted" for i, title in enumerate(groups)}


def _hover(
    embeddings: EmbeddingSet,
    row: int,
    name: str,
    labels: Sequence[str] | None,
    hover: Sequence[str] | None,
    named: bool,
) -> str:
    if not named:
        return plotly_text(name, 40)
    parts = [f"<b>{plotly_text(embeddings.ids[row], 40)}</b> {plotly_text(name, 40)}"]
    if labels is not None and labels[row]:
        parts.append(plotly_text(labels[row], 60))
    if hover is not None and hover[row]:
        parts.append(plotly_text(hover[row]))
    return "<br>".join(parts)


def _coordinates(view: View, held: Mapping[str, Sequence[int]]) -> dict[str, list[float | None]]:
    """Rounded coordinates of each modality's points, and of the lines that join the points of a row."""
    placed = {name: np.round(rows, 4).tolist() for name, rows in view.points.items()}
    result: dict[str, list[float | None]] = {}
    for name, rows in placed.items():
        result |= {f"{name}/x": [x for x, _ in rows], f"{name}/y": [y for _, y in rows]}
    by_row: dict[int, list[list[float]]] = {}
    for name, rows in placed.items():
        for row, point in zip(held[name], rows, strict=True):
            by_row.setdefault(row, []).append(point)
    lines = [pair for points in by_row.values() for pair in pairwise(points)]
    for axis, key in enumerate(("lines/x", "lines/y")):
        result[key] = [value for start, end in lines for value in (start[axis], end[axis], None)]
    return result


def _controls(arms: Sequence[str], kinds: Sequence[str], panels: Mapping[str, str], labelled: bool) -> list[Control]:
    controls: list[Control] = []
    if len(arms) > 2:
        chosen = {"left": arms[0], "right": arms[-1]}
        controls += [Control(panel, title, options(arms), chosen[panel]) for panel, title in panels.items()]
    controls.append(
        Control("view", "View", {kind: _KINDS[kind] for kind in kinds}, notes={kind: _NOTES[kind] for kind in kinds})
    )
    if labelled:
        controls.append(Control("colour", "Colour", {"modality": "Modality", "label": "Label"}))
    return controls
