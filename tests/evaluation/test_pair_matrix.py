"""All pairs of modalities in one table."""

import pytest
from rich.console import Console

from closegap.evaluation.pair_matrix import matrix_pairs, pair_matrix
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.gap import GAP
from closegap.metrics.retrieval import across
from closegap.report.sections.pairs import pairs_section
from closegap.report.table import matrix_table

PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))


def _report() -> Report:
    figures = {}
    for x, y in PAIRS:
        for figure in (GAP, across(x, y).recall_at(10), across(y, x).recall_at(10)):
            of_pair = figure.of(f"{x}|{y}")
            figures[of_pair.full_name] = of_pair
    arms = [
        Arm(arm, {name: Estimate(level + 0.01 * i) for i, name in enumerate(figures)})
        for arm, level in (("original", 0.2), ("original + shift", 0.3))
    ]
    return Report(arms, figures=figures)


def test_every_pair_and_arm_has_its_gap_and_mean_recall() -> None:
    report = _report()
    differences = {
        "original + shift": {"a|b:a_to_b/R@10": Estimate(0.1, 0.05, 0.15), "a|b:gap": Estimate(0.1, 0.05, 0.15)}
    }
    gap, recall = pair_matrix(report, differences)
    assert matrix_pairs(report) == ["a|b", "a|c", "b|c"]
    assert [arm for arm, _ in gap.rows] == ["original", "original + shift"]
    assert gap.rows[0][1] == [("0.200", ""), ("0.230", ""), ("0.260", "")]
    assert gap.rows[1][1][0] == ("0.300", "worse")
    assert recall.rows[0][1][0] == ("21.5%", "")
    assert recall.rows[1][1][0] == ("31.5%", "better")


def test_it_stands_on_the_page_and_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = _report()
    section = pairs_section(report, {})
    assert section is not None
    assert section.html.count("<td>") == 12
    Console(width=100).print(matrix_table(report, {}, baseline="original"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20
    assert any("21.5%" in line and "24.5%" in line and "27.5%" in line for line in lines)


def test_one_pair_has_no_matrix() -> None:
    report = Report([Arm("original", {GAP.name: Estimate(0.2)})], figures={GAP.name: GAP})
    assert pairs_section(report, {}) is None
