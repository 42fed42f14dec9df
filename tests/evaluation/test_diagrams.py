import pytest
import torch
from scipy.stats import binomtest
from tests.calibration.test_calibration import some_set

from closegap.calibration import Calibration
from closegap.evaluation.compare import Result, compare
from closegap.evaluation.diagrams import diagrams, wilson
from closegap.metrics.calibrated import Calibrated


@pytest.mark.parametrize(("found", "trials"), [(0, 30), (1, 30), (12, 57), (57, 57), (3, 4)])
def test_the_interval_of_a_share_is_that_of_wilson(found: int, trials: int) -> None:
    expected = binomtest(found, trials).proportion_ci(method="wilson")
    assert wilson(found / trials, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_bins_hold_the_best_target_of_every_query() -> None:
    held, calibration = some_set(cases=300, seed=1), Calibration("logistic").fit(some_set(cases=300, seed=2))
    found = diagrams([(held, calibration)])
    assert set(found) == {"image_to_text", "text_to_image"}
    bins = found["image_to_text"]
    assert [bin["queries"] for bin in bins] == [50] * 6  # some 50 groups each
    scores = held.embeddings["image"] @ held.embeddings["text"].T
    best = scores.max(1)
    order = best.values.argsort()
    stated = calibration.probability(best.values, "image", "text")[order].reshape(6, 50).mean(1)
    hits = (best.indices == torch.arange(300))[order].reshape(6, 50).double().mean(1)
    assert [bin["stated"] for bin in bins] == pytest.approx(stated.tolist(), abs=2e-3)
    assert [bin["found"] for bin in bins] == pytest.approx(hits.tolist(), abs=0.021)
    assert all(bin["low"] < bin["high"] for bin in bins)


def test_seeds_are_pooled_but_count_once() -> None:
    held, calibration = some_set(cases=300, seed=1), Calibration("logistic").fit(some_set(cases=300, seed=2))
    once, twice = diagrams([(held, calibration)]), diagrams([(held, calibration), (held, calibration)])
    for direction, bins in once.items():
        assert [bin["queries"] for bin in twice[direction]] == [2 * bin["queries"] for bin in bins]
        for name in ("stated", "found", "low", "high"):
            assert [bin[name] for bin in twice[direction]] == pytest.approx([bin[name] for bin in bins])


def test_a_comparison_measures_the_calibration_of_the_arms_that_have_one() -> None:
    held, calibration = some_set(seed=1), Calibration().fit(some_set(seed=2))
    results = [Result("with", None, held, calibration=calibration), Result("without", None, held)]
    report = compare(results, resamples=5, metrics=[Calibrated()]).report
    arms = {arm.name: arm.metrics for arm in report.arms}
    assert "image_to_text/coverage" in arms["with"]
    assert not arms["without"]
    assert list(report.data["reliability"]) == ["with"]
