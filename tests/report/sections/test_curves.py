from collections.abc import Callable

import plotly.graph_objects as go
from tests.figures import figure

from closegap.report.figures import Section
from closegap.report.sections.curves import training_curves

Draw = Callable[[Section], list[go.Figure]]
Rows = list[dict[str, float]]

WATCHED = [figure(name) for name in ("gap", "cos_true_pairs", "cos_null")]


def rows(level: float) -> Rows:
    return [
        {"step": step, "validation/gap": level * step, "validation/cos_true_pairs": 0.1, "validation/cos_null": 0.0}
        for step in (0, 10, 20)
    ]


def test_mean_and_band_over_seeds(draw: Draw) -> None:
    section = training_curves({"a": [rows(1.0), rows(3.0)]}, WATCHED)
    assert section is not None
    gap, cosine = draw(section)
    band, line = gap.data
    assert list(line.y) == [0, 20, 40]
    assert list(band.x) == [0, 10, 20, 20, 10, 0]
    assert list(band.y) == [0, 30, 60, 20, 10, 0]
    assert gap.layout.title.text == "Modality gap, validation"
    assert [trace.name for trace in cosine.data] == ["a", "a null"]
    assert cosine.data[1].line.dash == "dot"


def test_recall_is_chosen_among_what_was_logged(draw: Draw) -> None:
    given = [figure(name) for name in ("R@10", "x_to_y/R@10", "x|y:y_to_x/R@10", "x|y:x_to_y/R@10", "R@5")]
    names = [f"validation/{one.full_name}" for one in given]
    del names[3]  # not logged
    section = training_curves({"a": [[{"step": 1, **dict.fromkeys(names, 0.5)}]]}, given)
    assert section is not None
    assert list(section.controls[0].options) == names[:3]
    figures = draw(section)
    assert len(figures) == 3
    assert all(figure.layout.yaxis.tickformat == ".0%" for figure in figures)
    assert [f.layout.title.text for f in figures] == [
        "Retrieval R@10, validation",
        "x → y R@10, validation",
        "x and y: y → x R@10, validation",
    ]


def test_rows_without_value_and_values_that_are_not_finite_are_left_out(draw: Draw) -> None:
    log = [
        {"step": 0, "loss": 1.0},
        {"step": 1, "test/gap": float("nan")},
        {"step": 2, "test/gap": 0.5},
        {"test/gap": 0.7},
    ]
    section = training_curves({"a": [log]}, WATCHED, "test")
    assert section is not None
    (figure,) = draw(section)
    assert list(figure.data[0].x) == [2]


def test_nothing_logged_is_no_section() -> None:
    assert training_curves({"a": [[{"step": 0, "loss": 1.0}]], "b": []}, WATCHED) is None
