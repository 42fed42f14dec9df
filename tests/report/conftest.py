"""Small embedding sets, and plots as plotly validates them."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.report.figures import Section
from closegap.report.html import script_json

MakeSet = Callable[..., EmbeddingSet]
Draw = Callable[[Section], list[go.Figure]]


@pytest.fixture
def make_set() -> MakeSet:
    def make(
        names: Sequence[str] = ("image", "report"),
        n: int = 24,
        offset: float = 1.0,
        seed: int = 0,
        absent: Mapping[str, Sequence[int]] | None = None,
    ) -> EmbeddingSet:
        rng = np.random.default_rng(seed)
        cases, shifts = rng.normal(size=(n, 8)), rng.normal(size=(len(names), 8))
        rows = {
            name: cases + 0.3 * rng.normal(size=(n, 8)) + offset * shift
            for name, shift in zip(names, shifts, strict=True)
        }
        units = {name: values / np.linalg.norm(values, axis=1, keepdims=True) for name, values in rows.items()}
        present = {name: torch.ones(n, dtype=torch.bool) for name in absent or {}}
        for name, missing in (absent or {}).items():
            present[name][list(missing)] = False
        return EmbeddingSet(
            {name: torch.tensor(values, dtype=torch.float32) for name, values in units.items()},
            ids=[f"case-{i}" for i in range(n)],
            present=present,
            labels={"finding": [f"finding {i % 10}" if i % 12 else "" for i in range(n)]},
        )

    return make


def _states(section: Section) -> Iterator[dict[str, str]]:
    names = [control.name for control in section.controls]
    for chosen in itertools.product(*(control.options for control in section.controls)):
        yield dict(zip(names, chosen, strict=True))


def _resolved(value: Any, shared: Mapping[str, Sequence[Any]]) -> Any:
    if isinstance(value, list):
        return [_resolved(inner, shared) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$color" in value:
        return "#123456"
    if "$data" in value:
        rows = shared[value["$rows"]] if "$rows" in value else range(len(shared[value["$data"]]))
        return [shared[value["$data"]][row] for row in rows]
    return {name: _resolved(inner, shared) for name, inner in value.items()}


@pytest.fixture
def draw() -> Draw:
    """Every figure of a section under every choice, as the page would draw it; plotly rejects what it does not know."""

    def drawn(section: Section) -> list[go.Figure]:
        figures = []
        shared = json.loads(script_json(section.shared))
        for state in _states(section):
            for plot in section.plots:
                when = [trace.get("when", {}) for trace in plot.traces]
                traces = [
                    {name: value for name, value in trace.items() if name != "when"}
                    for trace, condition in zip(json.loads(script_json(plot.traces)), when, strict=True)
                    if condition.items() <= state.items()
                ]
                figure = go.Figure(_resolved(traces, shared), _resolved(json.loads(script_json(plot.layout)), shared))
                for condition, patch in plot.layouts:
                    if condition.items() <= state.items():
                        figure.update_layout(_resolved(json.loads(script_json(patch)), shared))
                figures.append(figure)
        return figures

    return drawn
