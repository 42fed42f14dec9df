from dataclasses import replace

import pytest
import torch
from tests.figures import figure

from closegap.metrics.bootstrap import Sampled
from closegap.metrics.cosines import mean_angular_figure
from closegap.metrics.figure import Figure, reading_order


def test_a_title_stands_alone_and_a_label_under_its_heading() -> None:
    recall = figure("chest_film_to_report/R@10")
    assert (recall.title, recall.label, recall.heading) == (
        "chest film → report R@10",
        "R@10",
        "Retrieval, chest film → report",
    )
    assert figure("gap").title == "Modality gap"


def test_the_pair_stands_in_front_of_all_but_figures_of_one_modality() -> None:
    recall = figure("image|caption:caption_to_image/R@1")
    assert (recall.pair, recall.name, recall.about) == ("image|caption", "caption_to_image/R@1", "image and caption")
    assert recall.full_name == "image|caption:caption_to_image/R@1"
    assert recall.sibling("gap") == "image|caption:gap"
    assert mean_angular_figure("image").of("image|caption").full_name == "mean_angular/image"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("gap", 0.11349, "0.113"),
        ("gap", -0.0001, "0.000"),
        ("x_to_y/R@1", 0.0, "0.0%"),
        ("x_to_y/R@1", 1.0, "100.0%"),
        ("x_to_y/median_rank", 12.0, "12"),
        ("x_to_y/median_rank", 12.5, "12.5"),
    ],
)
def test_text(name: str, value: float, text: str) -> None:
    assert figure(name).text(value) == text


def test_no_interval_without_both_ends() -> None:
    assert figure("gap").interval(Sampled(0.1, torch.empty(0))) == ""
    assert figure("x_to_y/R@1").interval(Sampled(0.1, torch.full((3,), 0.0512))) == "[5.1, 5.1]"


def test_merit_follows_the_direction() -> None:
    better_first = {"gap": (0.1, 0.2), "cos_corrected": (0.2, 0.1), "cos_null": (-0.01, 0.02)}
    for name, (better, worse) in better_first.items():
        first, second = figure(name).merit(better), figure(name).merit(worse)
        assert first is not None
        assert second is not None
        assert first > second
    assert figure("cos_true_pairs").merit(0.5) is None


def test_reading_order_keeps_pairs_then_headings_together() -> None:
    late = Figure("late", "Late", "Gap", order=1)
    given = [
        figure("v_measure"),
        figure("p|q:gap"),
        late.of("p|q"),
        figure("p|q:p_to_q/R@1"),
        figure("p|r:gap"),
        replace(figure("p|q:cos_null"), order=0),
    ]
    assert [one.full_name for one in reading_order(given)] == [
        "p|q:gap",
        "p|q:cos_null",
        "p|q:late",
        "p|q:p_to_q/R@1",
        "p|r:gap",
        "v_measure",
    ]
