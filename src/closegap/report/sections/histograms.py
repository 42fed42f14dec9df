"""Cosines of true pairs against cosines of items that do not belong together."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.report.figures import Control, Plot, Section, color, legend, plotly_text, series_color

_BINS = 60
_BLOCK = 8192


@dataclass(frozen=True)
class _Cosines:
    """Cosines of true pairs, and of a sample of non-pairs."""

    true: Float[np.ndarray, " n"]
    other: Float[np.ndarray, " m"]


def cosine_histograms(sets: Mapping[str, EmbeddingSet], *, non_pairs: int = 50_000, seed: int = 0) -> Section:
    """One histogram for each arm, all on the same axes; with three modalities or more the reader chooses the pair.

    Args:
        sets: arm name to embeddings.
        non_pairs: size of the seeded sample of pairs of two different cases.
        seed: of that sample.
    """
    pairs = list(combinations(next(iter(sets.values())).modalities, 2))
    names = {f"{a}|{b}": f"{a} and {b}" for a, b in pairs}
    cosines = {
        arm: {f"{a}|{b}": _cosines(embeddings, a, b, non_pairs, seed) for a, b in pairs}
        for arm, embeddings in sets.items()
    }
    return Section(
        title="Cosines of true pairs and of non-pairs",
        lead="A high cosine of true pairs means little where non-pairs have it too: what counts is how far apart the "
        "two means are." + (" All arms share their axes." if len(sets) > 1 else ""),
        html=legend(["true pairs", "non-pairs"], ["series-0", "muted"]),
        controls=[Control("pair", "Modalities", names)] if len(pairs) > 1 else [],
        plots=_plots(cosines),
        per_row=min(3, max(1, len(sets))),
    )


def _cosines(embeddings: EmbeddingSet, a: str, b: str, non_pairs: int, seed: int) -> _Cosines:
    rows = torch.nonzero(embeddings.mask(a) & embeddings.mask(b)).flatten()
    left, right = embeddings.embeddings[a], embeddings.embeddings[b]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(embeddings.ids))}
    case = np.array([numbers[embeddings.ids[row]] for row in rows.tolist()], dtype=np.int64)
    i, j = (
        np.random.default_rng(seed).integers(len(rows), size=(2, non_pairs)) if len(rows) > 1 else np.empty((2, 0), int)
    )
    different = case[i] != case[j]
    return _Cosines(_between(left, right, rows, rows), _between(left, right, rows[i[different]], rows[j[different]]))


def _between(
    left: Float[Tensor, "n d"], right: Float[Tensor, "n d"], i: Int[Tensor, "m"], j: Int[Tensor, "m"]
) -> Float[np.ndarray, " m"]:
    """Cosines of rows i of one modality with rows j of the other, block by block: the rows may be a mapped file."""
    blocks = zip(torch.split(i, _BLOCK), torch.split(j, _BLOCK), strict=True)
    cosines: Float[np.ndarray, " m"] = torch.cat(
        [(left[a].float() * right[b].float()).sum(1) for a, b in blocks]
    ).numpy()
    return cosines


def _plots(cosines: Mapping[str, Mapping[str, _Cosines]]) -> list[Plot]:
    every = [values for by_pair in cosines.values() for both in by_pair.values() for values in (both.true, both.other)]
    low, high = min(v.min(initial=0.0) for v in every), max(v.max(initial=0.0) for v in every)
    margin = 0.02 * (high - low) or 0.1
    edges = np.linspace(low - margin, high + margin, _BINS + 1)
    several = len(next(iter(cosines.values()))) > 1
    drawn = {
        arm: {pair: [_density(both.other, edges), _density(both.true, edges)] for pair, both in by_pair.items()}
        for arm, by_pair in cosines.items()
    }
    top = max(float(d.max()) for by_pair in drawn.values() for densities in by_pair.values() for d in densities)
    plots = []
    for arm, by_pair in cosines.items():
        traces: list[dict[str, Any]] = []
        layouts = []
        for pair, both in by_pair.items():
            when = {"pair": pair} if several else {}
            other, true = drawn[arm][pair]
            traces += [_area("non-pairs", edges, other, color("muted"), color("muted", 0.18), when)]
            traces += [_area("true pairs", edges, true, series_color(0), series_color(0, 0.22), when)]
            layouts.append((when, _means(both, top, float(edges.mean()))))
        layout = {
            "title": {"text": plotly_text(arm, 60)},
            "showlegend": False,
            "xaxis": {"title": {"text": "cosine"}, "range": [edges[0], edges[-1]], "zeroline": False},
            "yaxis": {"range": [0, 1.3 * top], "showticklabels": False, "showgrid": False, "zeroline": False},
            "margin": {"t": 40},
        }
        plots.append(Plot(traces, layout, layouts))
    return plots


def _density(values: Float[np.ndarray, " n"], edges: Float[np.ndarray, " b"]) -> Float[np.ndarray, " b"]:
    counts, _ = np.histogram(values, edges)
    density: Float[np.ndarray, " b"] = counts / max(1, len(values)) / (edges[1] - edges[0])
    return density


def _area(
    name: str,
    edges: Float[np.ndarray, " b"],
    density: Float[np.ndarray, " b"],
    line: Mapping[str, Any],
    fill: Mapping[str, Any],
    when: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": np.round(np.concatenate([edges, edges[-1:]]), 4).tolist(),
        "y": np.round(np.concatenate([[0.0], density, [0.0]]), 4).tolist(),
        "line": {"shape": "vh", "color": line, "width": 1.4},
        "fill": "tozeroy",
        "fillcolor": fill,
        "hoverinfo": "skip",
        "when": when,
    }


def _means(both: _Cosines, top: float, middle: float) -> dict[str, Any]:
    """Lines at the two means with their values, written towards the `middle` of the axis."""
    shapes, annotations = [], []
    for values, text, paint, height in (
        (both.other, "null", color("muted"), 1.1),
        (both.true, "cos true pairs", series_color(0), 1.23),
    ):
        if len(values) == 0:
            continue
        mean = float(values.mean())
        shapes.append(
            {
                "type": "line",
                "x0": mean,
                "x1": mean,
                "y0": 0,
                "y1": height * top,
                "line": {"color": paint, "width": 1.2, "dash": "dot"},
            }
        )
        annotations.append(
            {
                "x": mean,
                "y": height * top,
                "text": f"{text} {mean:.3f}",
                "showarrow": False,
                "xanchor": "left" if mean < middle else "right",
                "xshift": 3 if mean < middle else -3,
                "font": {"color": paint, "size": 12},
            }
        )
    return {"shapes": shapes, "annotations": annotations}
