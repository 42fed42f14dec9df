"""Differences paired by seed against scipy's interval and against cases worked by hand."""

import pytest
import tests.figures
import torch
from rich.console import Console
from scipy import stats

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.card import Card
from closegap.evaluation.compare import Result, compare
from closegap.evaluation.report import Arm, Estimate
from closegap.evaluation.seeds import difference_by_seed, differences_by_seed
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.standard import standard_metrics
from closegap.report.sections.arms import arms_section
from closegap.report.table import terminal_tables


def _card(**values: float) -> Card:
    return Card({name: Sampled(value, torch.empty(0)) for name, value in values.items()})


def test_the_interval_is_students() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.rand(8, generator=generator, dtype=torch.float64).tolist() for _ in range(2))
    found = difference_by_seed(dict(enumerate(ours)), dict(enumerate(theirs)))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_seeds_pair_by_number_and_not_by_place() -> None:
    found = difference_by_seed({3: 0.7, 1: 0.5, 2: 0.6}, {1: 0.4, 2: 0.5, 3: 0.6, 9: 5.0})
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(found.high)


@pytest.mark.parametrize("baseline", [{}, {0: 0.5}, {0: 0.5, 1: 0.6, 7: 0.5}])
def test_fewer_than_three_shared_seeds_have_no_interval(baseline: dict[int, float]) -> None:
    assert difference_by_seed({0: 0.1, 1: 0.2, 2: 0.3}, baseline) is None


def test_arms_and_metrics_that_do_not_pair_are_left_out() -> None:
    cards = {
        "base": [_card(gap=0.3), _card(gap=0.5), _card(gap=0.7)],
        "ours": [_card(gap=0.4, mrr=0.1), _card(gap=0.2, mrr=0.2), _card(gap=0.6, mrr=0.2)],
        "untrained": [_card(gap=0.9)],
        "other seeds": [_card(gap=0.9), _card(gap=0.8), _card(gap=0.8)],
        "ours, more": [_card(gap=0.5), _card(gap=0.2), _card(gap=0.6)],
    }
    seeds: dict[str, list[int | None]] = {arm: [0, 1, 2] for arm in cards}
    seeds |= {"ours": [1, 0, 2], "ours, more": [1, 0, 2], "untrained": [None], "other seeds": [3, 4, 5]}
    control = {arm: "base" for arm in cards if arm != "base"} | {"ours, more": "ours"}
    found = differences_by_seed(cards, seeds, control)
    assert found.keys() == {"ours", "ours, more"}
    assert found["ours"].keys() == {"gap"}
    assert found["ours"]["gap"].value == pytest.approx(((0.4 - 0.5) + (0.2 - 0.3) + (0.6 - 0.7)) / 3)
    assert found["ours, more"]["gap"].value == pytest.approx(0.1 / 3)


def _rows(seed: int, shift: float) -> EmbeddingSet:
    generator = torch.Generator().manual_seed(seed)
    case = torch.randn(12, 4, generator=generator)
    rows = {"x": case, "y": case + shift + 0.1 * torch.randn(12, 4, generator=generator)}
    return EmbeddingSet({name: row / row.norm(dim=1, keepdim=True) for name, row in rows.items()}, list("abcdefghijkl"))


def test_a_comparison_holds_them_where_runs_have_seeds() -> None:
    results = [Result(arm, seed, _rows(seed, shift)) for arm, shift in (("a", 2.0), ("b", 0.1)) for seed in (0, 1, 2)]
    report = compare(results, resamples=5, metrics=standard_metrics("quick")).report
    runs = [
        compare([result], resamples=5, metrics=standard_metrics("quick")).report.arms[0].metrics["gap"].value
        for result in results
    ]
    expected = stats.ttest_rel(runs[3:], runs[:3]).confidence_interval(0.95)
    found = report.data["seed_differences"]["b"]["gap"]
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert report.data["seed_differences"].keys() == {"b"}
    assert report.data["compared_with"] == {"b": "a"}
    once = compare([results[0], results[3]], resamples=5, metrics=standard_metrics("quick")).report
    assert "seed_differences" not in once.data


def test_tables_show_them() -> None:
    arms = [Arm(name, {"x_to_y/R@10": Estimate(value)}) for name, value in (("a", 0.3), ("b", 0.31))]
    data = {
        "seed_spread": {"b": {"x_to_y/R@10": 0.004}},
        "seed_differences": {"b": {"x_to_y/R@10": {"value": 0.01, "low": -0.005, "high": 0.025}}},
    }
    report = tests.figures.report(arms, data=data)
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(terminal_tables(report, width=80, baseline="a"))
    assert "Δ +1.0 ± 1.5" in capture.get()
    assert "Δ: that difference paired by seed, of three seeds or more" in " ".join(capture.get().split())
    html = str(arms_section(report, baseline="a").html)
    assert "sd 0.4 over seeds" in html
    assert html.count("Δ +1.0 [-0.5, 2.5]") == 2  # among the key metrics, and among all


def test_every_arm_is_compared_with_its_own_control() -> None:
    arms = {"a": (2.0, ""), "b": (0.1, "missing"), "b + more": (0.5, "b")}
    results = [Result(arm, None, _rows(0, shift), against=control) for arm, (shift, control) in arms.items()]
    found = compare(results, resamples=5, metrics=standard_metrics("quick"))
    assert found.report.data["compared_with"] == {"b": "a", "b + more": "b"}
    gap = {arm.name: arm.metrics["gap"].value for arm in found.report.arms}
    assert found.differences["b + more"]["gap"].value == pytest.approx(gap["b + more"] - gap["b"])
    assert found.differences["b"]["gap"].value == pytest.approx(gap["b"] - gap["a"])
