import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pytest

from closegap.phantom.columns import NUMBERS
from closegap.phantom.record import RECORD_COLUMNS, draw_record, measurements
from closegap.phantom.study import Finding, Study, draw_study

STUDIES = [draw_study(0, index) for index in range(1500)]


def with_findings(*names: str) -> list[Study]:
    return [Study(0, index, "pa", "male", "average", tuple(map(Finding, names))) for index in range(200)]


def mean(studies: Sequence[Study], column: str) -> float:
    return float(np.mean([float(measurements(study)[column]) for study in studies]))


def test_frozen_records() -> None:
    text = json.dumps([draw_record(study, 0.15) for study in STUDIES[:300]], sort_keys=True)
    assert hashlib.blake2b(text.encode(), digest_size=8).hexdigest() == "2fa09e1ffa0ddc61"


def test_every_record_has_every_column() -> None:
    assert all(tuple(draw_record(study, 0.3)) == RECORD_COLUMNS for study in STUDIES[:50])
    everything = [measurements(study) for study in STUDIES]
    for column in NUMBERS:
        values = [float(known[column.name]) for known in everything]
        assert min(values) >= 0.0
        assert all(abs(value / column.step - round(value / column.step)) < 1e-6 for value in values)
    ages = [float(known["age"]) for known in everything]
    assert 16 <= min(ages) < max(ages) <= 98
    assert max(float(known["spo2"]) for known in everything) <= 100


@pytest.mark.parametrize(
    ("finding", "column", "least"),
    [
        ("edema", "nt_pro_bnp", 500),
        ("cardiomegaly", "nt_pro_bnp", 200),
        ("pleural_effusion", "nt_pro_bnp", 100),
        ("consolidation", "crp", 50),
        ("consolidation", "temperature", 1),
        ("consolidation", "wbc", 4),
        ("free_air", "heart_rate", 15),
        ("mediastinal_widening", "d_dimer", 1),
        ("hyperinflation", "pco2", 1),
        ("hiatal_hernia", "haemoglobin", -15),
        ("edema", "spo2", -4),
        ("pneumothorax", "age", -3),
    ],
)
def test_findings_move_what_they_move_in_patients(finding: str, column: str, least: float) -> None:
    moved = mean(with_findings(finding), column) - mean(with_findings(), column)
    assert moved > least if least > 0 else moved < least


def test_women_have_less_haemoglobin_and_smokers_more_masses() -> None:
    women = [Study(0, index, "pa", "female", "average") for index in range(300)]
    assert mean(with_findings(), "haemoglobin") - mean(women, "haemoglobin") > 8
    never = [sum(measurements(s)["smoking"] == "never" for s in with_findings(*names)) for names in ((), ("mass",))]
    assert never[0] > 2 * never[1]


def test_intubated_patients_lie_in_intensive_care() -> None:
    tube = (Finding("endotracheal_tube"),)
    assert {measurements(Study(0, i, "ap", "male", "slim", (), tube))["setting"] for i in range(20)} == {
        "intensive care"
    }
    assert all(measurements(s)["setting"] != "outpatient" for s in STUDIES if s.view == "ap")


@pytest.mark.parametrize("blanks", [0.0, 0.15, 0.6, 1.0])
def test_share_of_blanks(blanks: float) -> None:
    values = [value for study in STUDIES[:300] for value in draw_record(study, blanks).values()]
    share = sum(value is None for value in values) / len(values)
    assert share == pytest.approx(blanks, abs=0.02 if 0 < blanks < 1 else 0)


def test_what_is_not_blank_is_what_was_measured() -> None:
    for study in STUDIES[:100]:
        known = measurements(study)
        assert all(value in (None, known[name]) for name, value in draw_record(study, 0.4).items())
