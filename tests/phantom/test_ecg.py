"""Generated electrocardiograms: what the report says is in the samples."""

from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import Float32

from closegap.data import load_cases
from closegap.errors import UsageError
from closegap.phantom import EcgPhantoms
from closegap.phantom.ecg import LEADS, ecg_samples
from closegap.phantom.ecg_report import write_ecg_report
from closegap.phantom.ecg_study import EcgStudy, draw_ecg_study
from closegap.testing import check_source

PLAIN = EcgStudy(0, 1, "sinus", 75.0, 40.0, "none", 0.3, "none")


def lead(samples: Float32[np.ndarray, "leads n"], name: str) -> Float32[np.ndarray, "n"]:
    return np.asarray(samples[LEADS.index(name)])


def test_a_case_is_a_function_of_seed_and_index() -> None:
    check_source(EcgPhantoms(cases=20))
    one, other = EcgPhantoms(cases=3, seed=5).case(2), EcgPhantoms(cases=9, seed=5).case(2)
    assert one.views["report"] == other.views["report"]
    np.testing.assert_array_equal(one.views["ecg"][0].traces().values, other.views["ecg"][0].traces().values)
    assert EcgPhantoms(seed=6).case(2).views["report"] != one.views["report"]
    cases = load_cases(EcgPhantoms(cases=40))
    assert {split: len(held) for split, held in cases.splits.items()} == {"train": 28, "validation": 4, "test": 8}
    with pytest.raises(UsageError, match="expected train, validation and test shares that sum to 1"):
        EcgPhantoms(shares=(0.5, 0.1, 0.1))


def test_limb_leads_are_projections_of_one_vector() -> None:
    samples = ecg_samples(PLAIN)
    np.testing.assert_allclose(lead(samples, "I") + lead(samples, "III"), lead(samples, "II"), atol=0.08)
    np.testing.assert_allclose(lead(samples, "aVF"), (lead(samples, "II") + lead(samples, "III")) / 2, atol=0.08)


@pytest.mark.parametrize(("axis", "signs"), [(40.0, (1, 1)), (-50.0, (1, -1)), (120.0, (-1, 1))])
def test_the_axis_is_where_it_is_said(axis: float, signs: tuple[int, int]) -> None:
    samples = ecg_samples(replace(PLAIN, axis=axis))
    found = tuple(int(np.sign(x.max() + x.min())) for x in (lead(samples, "I"), lead(samples, "aVF")))
    assert found == signs


@pytest.mark.parametrize("rate", [48.0, 75.0, 130.0])
def test_beats_come_as_often_as_is_said(rate: float) -> None:
    v4 = lead(ecg_samples(replace(PLAIN, rate=rate)), "V4")
    high = v4 > 0.6 * v4.max()
    beats = int((high[1:] & ~high[:-1]).sum())
    assert abs(beats - rate / 6) <= 1.5
    assert f"{rate:.0f} per minute" in " ".join(write_ecg_report(replace(PLAIN, rate=rate), n) for n in range(9))


@pytest.mark.parametrize(
    ("shift", "names", "sign"),
    [
        ("anterior elevation", ("V2", "V3"), 1),
        ("inferior elevation", ("II", "aVF"), 1),
        ("lateral depression", ("V5", "aVL"), -1),
    ],
)
def test_a_shift_of_st_is_in_its_leads(shift: str, names: tuple[str, ...], sign: int) -> None:
    shifted = ecg_samples(replace(PLAIN, shift=shift)) - ecg_samples(PLAIN)
    moved = {name for name in LEADS if np.abs(lead(shifted, name)).max() > 0.15}
    assert moved >= set(names)
    assert len(moved) <= 4
    assert all(np.sign(lead(shifted, name)[np.abs(lead(shifted, name)).argmax()]) == sign for name in names)


def test_rhythms_differ_in_their_evenness() -> None:
    spreads = {}
    for rhythm in ("sinus", "fibrillation"):
        v4 = lead(ecg_samples(replace(PLAIN, rhythm=rhythm), seconds=60.0), "V4")
        high = v4 > 0.6 * v4.max()
        spreads[rhythm] = float(np.diff(np.flatnonzero(high[1:] & ~high[:-1])).std() / 80)
    assert spreads["sinus"] < 0.05 < 0.1 < spreads["fibrillation"]


def test_reports_say_what_is_drawn() -> None:
    for index in range(60):
        study = draw_ecg_study(3, index)
        report = write_ecg_report(study).lower()
        assert ("fibrillation" in report or "irregular" in report or "arrhythmia" in report) == (
            study.rhythm == "fibrillation"
        )
        assert ("left" in report, "right" in report) == (study.deviation == "left", study.deviation == "right")
        assert ("bradycardia" in report or "slow" in report) == (study.speed == "slow")
        assert ("elevat" in report) == ("elevation" in study.shift)
    assert len({write_ecg_report(PLAIN, reader) for reader in range(20)}) > 5
