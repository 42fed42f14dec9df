import json
from pathlib import Path

import pytest
import tests.figures
from tests.test_disk import no_file_above

from closegap.errors import ClosegapError
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.report.write import write_report


def _report(value: float) -> Report:
    return tests.figures.report([Arm("a", {"gap": Estimate(value)})])


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_page_and_numbers_are_replaced_together(tmp_path: Path) -> None:
    for value in (0.5, 0.25):
        page = write_report(tmp_path, _report(value), f"page of {value}", "audit")
        assert page.read_text(encoding="utf-8") == f"page of {value}"
        assert json.loads((tmp_path / "report.json").read_text())["arms"][0]["metrics"]["gap"]["value"] == value
    assert len(_contents(tmp_path)) == 2


def test_a_page_without_numbers_takes_those_of_an_older_one_away(tmp_path: Path) -> None:
    write_report(tmp_path, _report(0.5), "old", "caption")
    write_report(tmp_path, None, "new", "caption", {"captions.csv": lambda path: path.touch()})
    assert _contents(tmp_path) == {"report.html": "new", "captions.csv": ""}


def test_what_fails_leaves_the_older_report(tmp_path: Path) -> None:
    write_report(tmp_path, _report(0.5), "old", "audit")
    before = _contents(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path, _report(float("nan")), "new", "audit")
    with no_file_above(4000), pytest.raises(ClosegapError, match=r"report\.html: cannot be written"):
        write_report(tmp_path, _report(0.25), 5000 * "x", "audit")
    with no_file_above(100), pytest.raises(ClosegapError, match=r"report\.json: cannot be written"):
        write_report(tmp_path, _report(0.25), 5000 * "x", "audit")
    assert _contents(tmp_path) == before
