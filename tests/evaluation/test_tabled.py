"""Reports as text, in a notebook, as a data frame."""

import pytest
import tests.figures

from closegap.evaluation.report import Arm, Estimate, Report, Skipped
from closegap.metrics.cosines import COS_NULL
from closegap.metrics.gap import GAP
from closegap.report.table import markdown_table


def report(name: str = "clip", null: bool = True) -> Report:
    metrics = {GAP.name: Estimate(0.25, 0.2, 0.3)} | ({COS_NULL.name: Estimate(0.01)} if null else {})
    other = {GAP.name: Estimate(0.125)} | ({COS_NULL.name: Estimate(0.02)} if null else {})
    arms = [Arm(name, metrics), Arm("ours", other)]
    return tests.figures.report(arms, [Skipped("probes", "needs labels")], {"notes": ["a note <b>"]})


def test_a_report_prints_as_a_table() -> None:
    lines = repr(report()).splitlines()
    assert lines[0].split() == ["clip", "ours"]
    assert lines[1].split() == ["Modality", "gap", "↓", "0.250", "[0.200,", "0.300]", "0.125", "*"]
    assert "a note <b>" in lines
    assert "1 left out, with reasons: report.skipped" in lines


def test_a_gap_without_its_null_is_not_shown() -> None:
    assert "Modality gap" not in repr(report(null=False))
    assert "Modality gap" not in report(null=False)._repr_html_()


def test_a_notebook_gets_a_table_in_which_names_are_inert() -> None:
    html = report("<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<b>0.125</b>" in html
    assert "a note &lt;b&gt;" in html


def test_a_terminal_obeys_no_name() -> None:
    evil = report("\x1b]0;mine\x07")
    for text in (repr(evil), markdown_table(evil)):
        assert "\\x1b]0;mine\\x07" in text
        assert not set("\x1b\x07") & set(text)


def test_a_data_frame_has_a_row_for_every_number() -> None:
    frame = report().to_pandas()
    assert list(frame.columns) == ["arm", "metric", "value", "low", "high", "label", "direction", "unit"]
    assert frame[frame.arm == "clip"].metric.tolist() == [GAP.name, COS_NULL.name]
    assert frame.value.tolist() == [0.25, 0.01, 0.125, 0.02]


def test_an_arm_is_found_by_name() -> None:
    assert report().arm("ours").metrics[GAP.name].value == 0.125
    with pytest.raises(KeyError, match="no arm 'theirs'; there are clip, ours"):
        report().arm("theirs")


def test_a_report_of_no_arm_says_so() -> None:
    assert repr(Report([])) == "Report(no arms)"
