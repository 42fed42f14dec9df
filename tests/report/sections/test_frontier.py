from collections.abc import Callable, Sequence

import plotly.graph_objects as go
import pytest
from tests.figures import figures

from closegap.evaluation.report import Arm, Estimate
from closegap.evaluation.series import Series
from closegap.report.figures import Section
from closegap.report.sections.frontier import frontier

Draw = Callable[[Section], list[go.Figure]]


def arm(name: str, gap: float, recall: float, **more: float) -> Arm:
    metrics = {"gap": Estimate(gap, gap - 0.01, gap + 0.03), "x_to_y/R@10": Estimate(recall)}
    return Arm(name, metrics | {key: Estimate(value) for key, value in more.items()})


def drawn(series: Sequence[Series]) -> Section | None:
    return frontier(series, figures(name for line in series for arm in line.arms for name in arm.metrics))


def test_sweeps_are_lines_and_arms_points(draw: Draw) -> None:
    sweep = [arm("shift", gap, 0.2 + gap) for gap in (0.4, 0.2, 0.0)]
    section = drawn([Series("clip", [arm("clip", 0.5, 0.3)]), Series("shift", sweep, (0.0, 0.5, 1.0))])
    assert section is not None
    (figure,) = draw(section)
    point, line = figure.data
    assert (point.mode, line.mode) == ("markers", "lines+markers")
    assert list(line.x) == [0.4, 0.2, 0.0]
    assert "at 0.5" in line.text[1]
    assert point.error_x.array == pytest.approx((0.03,))
    assert point.error_x.arrayminus == pytest.approx((0.01,))
    assert list(point.error_y.array) == [0]
    assert figure.layout.yaxis.title.text == "x → y R@10 ↑"


def test_the_task_is_chosen_and_arms_without_it_are_left_out(draw: Draw) -> None:
    section = drawn([Series("a", [arm("a", 0.1, 0.2, v_measure=0.3)]), Series("b", [arm("b", 0.2, 0.3)])])
    assert section is not None
    assert list(section.controls[0].options) == ["x_to_y/R@10", "v_measure"]
    recall, grouping = draw(section)
    assert [len(figure.data) for figure in (recall, grouping)] == [2, 1]


def test_pairs_stand_over_their_own_gap_and_pooled_metrics_over_the_mean(draw: Draw) -> None:
    values = {"p|q:gap": 0.1, "p|r:gap": 0.3, "p|r:p_to_r/R@10": 0.5, "v_measure": 0.4}
    section = drawn([Series("a", [Arm("a", {name: Estimate(value) for name, value in values.items()})])])
    assert section is not None
    pair, pooled = draw(section)
    assert list(pair.data[0].x) == [0.3]
    assert list(pooled.data[0].x) == pytest.approx([0.2])


def test_no_gap_is_no_frontier() -> None:
    assert drawn([Series("a", [Arm("a", {"x_to_y/R@10": Estimate(0.1)})])]) is None
    assert drawn([Series("a", [Arm("a", {"gap": Estimate(0.1)})])]) is None
    assert drawn([]) is None
