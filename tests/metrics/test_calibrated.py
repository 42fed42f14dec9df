"""The figures of calibrations, against definitions written a second time."""

from dataclasses import replace
from math import isfinite

import pytest
import torch
from tests.calibration.test_calibration import naive_couples, some_set
from tests.reference import calibration as reference

from closegap.calibration import Calibration
from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.card import measure
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.calibrated import Calibrated
from closegap.metrics.couple import Couple
from closegap.metrics.reliability import BINS


def test_the_figures_are_what_they_say() -> None:
    calibration, held = Calibration("logistic").fit(some_set(seed=1)), some_set(cases=60, per_group=2, seed=2)
    couple = replace(Couple.of(held, "image", "text"), calibration=calibration)
    measured = Calibrated(alpha=0.2).measure(couple, resample_counts(30, 50))
    values = {figure.name.removeprefix("image_to_text/"): found.value for figure, found in measured.items()}

    rows = naive_couples(held)
    flat = sorted(((score, found) for row in rows for score, found in row), key=lambda couple: couple[0])
    scores = torch.tensor([score for score, _ in flat], dtype=torch.float64)
    among = len(flat) / 60
    stated = calibration.probability(scores, "image", "text", candidates=among).tolist()
    found = [relevant for _, relevant in flat]
    assert values["brier"] == pytest.approx(reference.brier(stated, found), abs=1e-10)
    rate = sum(found) / len(found)
    assert values["brier_base"] == pytest.approx(reference.brier([rate] * len(found), found), abs=1e-10)
    assert values["brier_skill"] == pytest.approx(1 - values["brier"] / values["brier_base"], abs=1e-9)
    # Neighbours that share a cell may not be parted, so a bin differs by a couple or two.
    bins = [
        list(zip(stated, found, strict=True))[i * len(flat) // BINS : (i + 1) * len(flat) // BINS] for i in range(BINS)
    ]
    assert values["ece"] == pytest.approx(reference.expected_calibration_error(bins), abs=2e-3)

    first = sorted((max(row) for row in rows), key=lambda couple: couple[0])
    at_first = calibration.probability(
        torch.tensor([score for score, _ in first], dtype=torch.float64), "image", "text", candidates=among
    ).tolist()
    answers = list(zip(at_first, [relevant for _, relevant in first], strict=True))
    assert values["first/brier"] == pytest.approx(reference.brier(*map(list, zip(*answers, strict=True))), abs=1e-9)
    of_four = [answers[i : i + 4] for i in range(0, 60, 4)]
    assert values["first/ece"] == pytest.approx(reference.expected_calibration_error(of_four), abs=1e-9)

    threshold = calibration.threshold("image", "text", 0.2)
    cosines = held.embeddings["image"] @ held.embeddings["text"].T
    assert values["coverage"] == pytest.approx(float((cosines.diagonal() >= threshold).double().mean()))
    different = torch.arange(60)[:, None] // 2 != torch.arange(60) // 2
    sizes = ((cosines >= threshold) & (different | torch.eye(60, dtype=torch.bool))).sum(1).double()
    assert values["set_size"] == pytest.approx(float(sizes.quantile(0.5)))
    assert values["empty"] == pytest.approx(float((sizes == 0).double().mean()))
    for figure, estimate in measured.items():
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9, figure.name


def test_a_calibration_that_holds_has_little_error_and_one_that_does_not_has_much() -> None:
    held, counts = some_set(cases=600, seed=3), resample_counts(600, 20)
    errors = []
    for fitted_on in (some_set(cases=600, seed=4), some_set(cases=600, seed=4, noise=0.2)):
        couple = replace(Couple.of(held, "image", "text"), calibration=Calibration().fit(fitted_on))
        measured = {figure.name: found for figure, found in Calibrated().measure(couple, counts).items()}
        errors.append(measured["image_to_text/first/ece"].value)
    assert errors[0] < 0.05
    assert errors[1] > 3 * errors[0]


def test_three_modalities_are_measured_pair_by_pair_either_way() -> None:
    calibration, held = Calibration().fit(some_set(modalities=3)), some_set(modalities=3, seed=1)
    card = measure(held, resample_counts(90, 20), [Calibrated()], calibration=calibration)
    assert not card.skipped
    assert {name for name in card.metrics if name.endswith("coverage")} == {
        f"{a}|{b}:{way}/coverage"
        for a, b in (("image", "text"), ("image", "record"), ("text", "record"))
        for way in (f"{a}_to_{b}", f"{b}_to_{a}")
    }


def test_without_a_calibration_the_reason_is_said() -> None:
    card = measure(some_set(), resample_counts(90, 20), [Calibrated()])
    assert not card.metrics
    assert {item.reason for item in card.skipped} == {"no calibration was fitted"}
    alone = some_set(cases=30).select([0])
    couple = replace(Couple.of(alone, "image", "text"), calibration=Calibration().fit(some_set()))
    with pytest.raises(UsageError, match="targets that are relevant and others"):
        Calibrated().measure(couple, resample_counts(1, 5))


def test_resamples_in_which_no_best_target_is_relevant_leave_the_skill_finite() -> None:
    held = some_set(cases=60, seed=2)
    turned = {"image": held.embeddings["image"], "text": held.embeddings["text"].roll(1, 0)}
    turned["text"][7] = turned["image"][7]  # the one best target that is relevant
    couple = Couple.of(EmbeddingSet(turned, held.ids), "image", "text", calibration=Calibration().fit(some_set(seed=1)))
    measured = Calibrated().measure(couple, resample_counts(60, 100))
    found = {figure.name: value for figure, value in measured.items()}["image_to_text/first/brier_skill"]
    assert isfinite(found.value)
    assert found.low is not None
    assert isfinite(found.low)
