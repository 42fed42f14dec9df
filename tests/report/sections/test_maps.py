from collections.abc import Callable
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.report.figures import Section
from closegap.report.sections.maps import latent_map

MakeSet = Callable[..., EmbeddingSet]
Draw = Callable[[Section], list[go.Figure]]


def points(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.mode == "markers" and trace.hovertemplate.startswith("%{text}")]


def test_two_arms_have_fixed_panels_with_the_same_axes(make_set: MakeSet, draw: Draw) -> None:
    section = latent_map({"before": make_set(), "after": make_set(offset=0.0, seed=1)}, with_tsne=False)
    assert [control.name for control in section.controls] == ["view", "colour"]
    figures = draw(section)
    assert len(figures) == 8
    for left, right in zip(figures[::2], figures[1::2], strict=True):
        assert (left.layout.title.text, right.layout.title.text) == ("before", "after")
        assert left.layout.xaxis.range == right.layout.xaxis.range == left.layout.yaxis.range
        reach = left.layout.xaxis.range[1]
        for trace in points(left) + points(right):
            assert max(np.abs(trace.x).max(), np.abs(trace.y).max()) <= reach


def test_every_case_is_drawn_once_in_either_colouring(make_set: MakeSet, draw: Draw) -> None:
    section = latent_map({"a": make_set(), "b": make_set(seed=1)}, with_tsne=False)
    by_modality, by_label = (points(figure) for figure in draw(section)[:4:2])
    assert [len(trace.x) for trace in by_modality] == [24, 24]
    assert sum(len(trace.x) for trace in by_label) == 48
    assert sorted(x for trace in by_label for x in trace.x) == sorted(x for trace in by_modality for x in trace.x)
    named = {trace.name for trace in by_label}
    assert "3 other labels" in named
    assert "without label" in named


def test_lines_join_the_items_of_a_case(make_set: MakeSet, draw: Draw) -> None:
    figure = draw(latent_map({"a": make_set(n=5)}, with_tsne=False))[0]
    image, report = points(figure)
    (line,) = (trace for trace in figure.data if trace.mode == "lines")
    expected = [value for x, y in zip(image.x, report.x, strict=True) for value in (x, y, None)]
    assert list(line.x) == expected


def test_more_than_two_arms_are_chosen(make_set: MakeSet, draw: Draw) -> None:
    sets = {name: make_set(seed=i) for i, name in enumerate("abc")}
    section = latent_map(sets, with_tsne=False)
    left, right = section.controls[:2]
    assert (left.name, left.initial, right.name, right.initial) == ("left", "a", "right", "c")
    for figure in draw(section):
        assert figure.layout.title.text in sets
        assert sum(len(trace.x) for trace in points(figure)) == 48


def test_three_modalities_with_blanks(make_set: MakeSet, draw: Draw) -> None:
    given = make_set(("image", "report", "record"), n=10, absent={"record": range(4), "report": [0]})
    section = latent_map({"a": given})
    for figure in draw(section):
        assert sum(len(trace.x) for trace in points(figure)) == 9 + 9 + 6
    assert "9 of 9 cases" in section.lead


def test_tsne_carries_its_caveat(make_set: MakeSet) -> None:
    section = latent_map({"a": make_set()})
    view = next(control for control in section.controls if control.name == "view")
    assert list(view.options) == ["gap", "pca", "tsne"]
    assert "do not read a gap off it" in view.notes["tsne"]


def test_notes_state_variance_and_gap(make_set: MakeSet) -> None:
    given = make_set()
    gap = float((given.embeddings["image"].mean(0) - given.embeddings["report"].mean(0)).norm())
    notes = {
        note.when["view"]: note.text
        for note in latent_map({"a": given}, with_tsne=False).plots[0].notes
        if "view" in note.when
    }
    assert f"the plane shows {gap:.3f} of the gap of {gap:.3f}" in notes["gap"]
    assert "% of the variance" in notes["pca"]


def test_a_sample_is_seeded_and_hover_is_inert(make_set: MakeSet, draw: Draw) -> None:
    given = make_set(n=40)
    texts = [f"<b>text</b> & {i}" for i in range(40)]
    first, again = (latent_map({"a": given}, texts, pairs=7, with_tsne=False, seed=3) for _ in range(2))
    assert first.shared == again.shared
    trace = points(draw(first)[0])[0]
    assert len(trace.text) == 7
    assert all("&lt;b&gt;text&lt;/b&gt; &amp;" in text for text in trace.text)


def test_several_rows_of_a_case_count_once(make_set: MakeSet) -> None:
    given = replace(make_set(n=4), ids=["a", "a", "b", "c"])
    assert "3 of 3 cases" in latent_map({"x": given}, with_tsne=False).lead


def test_errors(make_set: MakeSet) -> None:
    given = make_set(n=6)
    with pytest.raises(DataError, match="arm 'b' holds other cases or modalities than 'a'"):
        latent_map({"a": given, "b": make_set(n=5)})
    with pytest.raises(DataError, match="2 hover texts for 6 rows"):
        latent_map({"a": given}, ["x", "y"])
    with pytest.raises(DataError, match="no labels named 'organ', the sets have finding"):
        latent_map({"a": given}, label="organ")
    with pytest.raises(DataError, match="no row holds two modalities"):
        latent_map({"a": make_set(n=4, absent={"image": [0, 1], "report": [2, 3]})})
