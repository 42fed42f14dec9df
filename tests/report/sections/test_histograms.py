from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.report.figures import Section
from closegap.report.sections.histograms import cosine_histograms

MakeSet = Callable[..., EmbeddingSet]
Draw = Callable[[Section], list[go.Figure]]


def area(trace: go.Scatter) -> float:
    return float(np.sum(np.diff(trace.x) * np.asarray(trace.y)[1:]))


def test_densities_have_unit_area_and_means_are_stated(make_set: MakeSet, draw: Draw) -> None:
    sets = {"before": make_set(), "after": make_set(offset=0.0, seed=1)}
    for figure, given in zip(draw(cosine_histograms(sets)), sets.values(), strict=True):
        other, true = figure.data
        assert (other.name, true.name) == ("non-pairs", "true pairs")
        assert area(other) == pytest.approx(1, abs=2e-3)
        assert area(true) == pytest.approx(1, abs=2e-3)
        cosines = given.embeddings["image"] @ given.embeddings["report"].T
        mean, n = float(cosines.diag().mean()), len(cosines)
        null = float((cosines.sum() - cosines.diag().sum()) / (n * (n - 1)))
        texts = [annotation.text for annotation in figure.layout.annotations]
        assert f"cos true pairs {mean:.3f}" in texts
        (stated,) = (float(text.removeprefix("null ")) for text in texts if text.startswith("null "))
        assert stated == pytest.approx(null, abs=0.01)


def test_arms_share_their_axes(make_set: MakeSet, draw: Draw) -> None:
    figures = draw(cosine_histograms({name: make_set(seed=i) for i, name in enumerate("abc")}))
    assert len({figure.layout.xaxis.range for figure in figures}) == 1
    assert len({figure.layout.yaxis.range for figure in figures}) == 1


def test_three_modalities_are_chosen_in_pairs(make_set: MakeSet, draw: Draw) -> None:
    section = cosine_histograms({"a": make_set(("image", "report", "record"), absent={"record": range(20)})})
    assert list(section.controls[0].options) == ["image|report", "image|record", "report|record"]
    assert all(len(figure.data) == 2 for figure in draw(section))


def test_a_single_pair_has_no_non_pairs(make_set: MakeSet, draw: Draw) -> None:
    (figure,) = draw(cosine_histograms({"a": make_set(n=1)}))
    assert len(figure.layout.annotations) == 1
