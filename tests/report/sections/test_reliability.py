from collections.abc import Callable

import plotly.graph_objects as go

from closegap.report.figures import Section
from closegap.report.sections.reliability import reliability_section

Draw = Callable[[Section], list[go.Figure]]

BINS = [
    {"stated": 0.1, "found": 0.2, "low": 0.1, "high": 0.35, "queries": 30},
    {"stated": 0.5, "found": 0.4, "low": 0.3, "high": 0.45, "queries": 29},
]


def test_each_arm_is_a_line_beside_that_of_what_holds(draw: Draw) -> None:
    section = reliability_section({"a": {"x_to_y": BINS}, "b": {"x_to_y": BINS[:1]}})
    assert section is not None
    assert section.controls == []
    (figure,) = draw(section)
    perfect, first, second = figure.data
    assert tuple(perfect.x) == tuple(perfect.y) == (0, 0.5)
    assert (first.marker.size, second.marker.size) == (14, 10)  # where arms agree, both are seen
    assert (tuple(first.x), tuple(first.y)) == ((0.1, 0.5), (0.2, 0.4))
    assert [round(reach, 6) for reach in first.error_y.array] == [0.15, 0.05]
    assert [round(reach, 6) for reach in first.error_y.arrayminus] == [0.1, 0.1]
    assert "found 20.0% of 30 queries" in first.text[0]
    assert len(second.x) == 1


def test_the_direction_is_chosen() -> None:
    section = reliability_section({"a": {"x_to_y": BINS, "y_to_x": BINS}})
    assert section is not None
    (control,) = section.controls
    assert control.options == {"x_to_y": "x → y", "y_to_x": "y → x"}
    assert [trace.get("when", {}) for trace in section.plots[0].traces] == [
        {"direction": "x_to_y"},
        {"direction": "x_to_y"},
        {"direction": "y_to_x"},
        {"direction": "y_to_x"},
    ]


def test_without_a_calibration_there_is_no_section() -> None:
    assert reliability_section({}) is None
