import json
from pathlib import Path

import pytest

from closegap.runs.study_folder import expanded, not_a_run, study_runs


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name, arm in (("a-seed0", "A"), ("a-seed1", "A"), ("b-seed0", "B")):
        (tmp_path / "study" / name).mkdir(parents=True)
        (tmp_path / "study" / name / "config.yaml").write_text(f"arm: {arm}\n", encoding="utf-8")
    (tmp_path / "study" / "notes").mkdir()
    return tmp_path / "study"


def names(runs: list[Path]) -> list[str]:
    return [run.name for run in runs]


def test_a_study_stands_for_its_runs(study: Path) -> None:
    assert names(expanded([study])) == ["a-seed0", "a-seed1", "b-seed0"]
    assert names(expanded([study / "b-seed0", study])) == ["b-seed0", "a-seed0", "a-seed1", "b-seed0"]


def test_the_baseline_of_the_study_comes_first(study: Path) -> None:
    report = {"arms": [{"name": "B"}, {"name": "A"}]}
    (study / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert names(study_runs(study)) == ["b-seed0", "a-seed0", "a-seed1"]
    (study / "report.json").write_text("{", encoding="utf-8")
    assert names(study_runs(study)) == ["a-seed0", "a-seed1", "b-seed0"]


def test_what_is_no_run_is_named_as_what_it_is(study: Path, tmp_path: Path) -> None:
    assert not_a_run(study) == ("the folder of a study, not of a run; name one of its runs: a-seed0, a-seed1, b-seed0")
    nowhere = tmp_path / "nowhere"
    assert expanded([nowhere]) == [nowhere]
    assert (
        not_a_run(nowhere)
        == f"not a run folder (no config.yaml); `closegap train --config FILE --out {nowhere}` makes one"
    )
