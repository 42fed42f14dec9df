import math

import pytest
import torch
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled, estimates, resample_counts, weighted_means, weighted_median
from closegap.metrics.cosines import (
    cosine_corrected,
    cosine_null,
    cosine_true_pairs,
    mean_angular_value,
    relative_modality_gap,
)
from closegap.metrics.gap import modality_gap, sampling_floor
from closegap.metrics.location import location_estimates
from closegap.metrics.positives import Pairs, Rows


def test_counts_are_draws_with_replacement_from_a_seed() -> None:
    counts = resample_counts(50, 400, seed=3)
    assert counts.shape == (400, 50)
    assert counts.sum(1).tolist() == [50] * 400
    # Multinomial: mean 1, variance 1 - 1/g.
    assert float(counts.double().var()) == pytest.approx(0.98, abs=0.03)
    assert torch.equal(counts, resample_counts(50, 400, seed=3))
    assert not torch.equal(counts, resample_counts(50, 400, seed=4))
    with pytest.raises(UsageError, match="at least one group"):
        resample_counts(0)


def test_means_and_medians_are_those_of_the_drawn_rows() -> None:
    values = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])
    groups = torch.tensor([0, 0, 1, 2, 2, 2, 3])
    counts = resample_counts(4, 200, seed=0)
    mean = estimates(weighted_means({"mean": values}), groups, counts)["mean"]
    median = estimates(weighted_median("median", values), groups, counts)["median"]
    assert mean.value == pytest.approx(25 / 7)
    assert median.value == 3.0
    for row, one_mean, one_median in zip(counts, mean.draws, median.draws, strict=True):
        drawn = values.repeat_interleave(row[groups].long()).double()
        assert float(one_mean) == pytest.approx(float(drawn.mean()))
        assert float(one_median) == float(drawn.quantile(0.5))


def test_a_resample_without_anything_to_measure_is_left_out() -> None:
    values = torch.tensor([math.nan, 1.0])
    found = estimates(weighted_means({"hit": values}), torch.arange(2), torch.tensor([[2, 0], [1, 1]]))["hit"]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert bool(found.draws[0].isnan())
    nothing = Sampled(1.0, torch.tensor([math.nan]))
    assert (nothing.low, nothing.high) == (None, None)


def test_differences_are_paired() -> None:
    counts = resample_counts(100, 300, seed=0)
    hits = (torch.arange(100) % 3 == 0).double()
    better = hits + 0.125
    a = estimates(weighted_means({"hit": better}), torch.arange(100), counts)["hit"]
    b = estimates(weighted_means({"hit": hits}), torch.arange(100), counts)["hit"]
    difference = a.minus(b)
    assert difference.low == pytest.approx(0.125)
    assert difference.high == pytest.approx(0.125)
    with pytest.raises(UsageError, match="300 and 2 resamples"):
        a.minus(Sampled(0.0, torch.zeros(2)))


def test_recentred_draws_keep_their_spread() -> None:
    moved = Sampled(1.0, torch.tensor([1.5, math.nan, 2.0, 2.5])).recentred()
    assert moved.draws[[0, 2, 3]].tolist() == [0.5, 1.0, 1.5]
    assert moved.value == 1.0


def test_interval_covers_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = (torch.rand(200, 80, generator=generator) < 0.3).double()
    counts = resample_counts(80, 400, seed=1)
    found = estimates(weighted_means({str(i): row for i, row in enumerate(hits)}), torch.arange(80), counts)
    covered = sum(at.low <= 0.3 <= at.high for at in found.values() if at.low is not None and at.high is not None)
    assert 0.90 <= covered / 200 <= 0.99


def located(x: torch.Tensor, y: torch.Tensor, counts: torch.Tensor) -> dict[str, Sampled]:
    case = torch.arange(len(x))
    return location_estimates(Rows(x, case, case, case), Rows(y, case, case, case), counts)


def drawn_pairs(seed: int, n: int, shift: float, d: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, d, generator=generator, dtype=torch.float64)
    x, y = common + torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    x[:, 0] += shift
    y[:, 0] -= shift
    return normalize(x, dim=1), normalize(y, dim=1)


def test_location_values_are_the_pure_functions() -> None:
    x, y = drawn_pairs(0, 40, 2.0)
    x_cases, y_cases = torch.arange(40) // 2, torch.arange(10, 50) // 2
    groups = torch.arange(25) // 3
    place = torch.arange(40)
    found = location_estimates(
        Rows(x, x_cases, groups[x_cases], place), Rows(y, y_cases, groups[y_cases], place), resample_counts(9, 50)
    )
    pairs = Pairs(x_cases, y_cases)
    expected = {
        "gap": modality_gap(x, y),
        "gap_floor": sampling_floor(x, y, pairs, groups),
        "cos_true_pairs": cosine_true_pairs(x, y, pairs),
        "cos_null": cosine_null(x, y, pairs),
        "cos_corrected": cosine_corrected(x, y, pairs),
        "mean_angular_value_x": mean_angular_value(x, x_cases),
        "mean_angular_value_y": mean_angular_value(y, y_cases),
        "rmg": relative_modality_gap(x, y, pairs),
    }
    assert set(found) == {*expected, "gap_debiased", "gap_top_dimensions"}
    for name, value in expected.items():
        assert found[name].value == pytest.approx(float(value), abs=1e-12), name
    assert found["gap_debiased"].value ** 2 == pytest.approx(found["gap"].value ** 2 - found["gap_floor"].value ** 2)


def test_location_draws_are_those_of_the_drawn_rows() -> None:
    x, y = drawn_pairs(1, 12, 0.3)
    counts = resample_counts(12, 20, seed=5)
    found = located(x, y, counts)
    floor = float(sampling_floor(x, y))
    for b, row in enumerate(counts):
        cases = torch.arange(12).repeat_interleave(row.long())
        pairs = Pairs(cases, cases)
        a, c = x[cases], y[cases]
        # Copies of one case are its positives too; a true pair counts once per draw, not once per pair of copies.
        assert float(found["cos_true_pairs"].draws[b]) == pytest.approx(float(cosine_true_pairs(a, c)))
        assert float(found["cos_null"].draws[b]) == pytest.approx(float(cosine_null(a, c, pairs)))
        assert float(found["mean_angular_value_x"].draws[b]) == pytest.approx(float(mean_angular_value(a, cases)))
        plain = float(modality_gap(a, c)) ** 2
        assert float(found["gap"].draws[b]) == pytest.approx(math.sqrt(max(0.0, plain - floor**2)))
        assert float(found["gap_debiased"].draws[b]) == pytest.approx(math.sqrt(max(0.0, plain - 2 * floor**2)))


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_gap_intervals_cover_the_population(shift: float) -> None:
    large = drawn_pairs(10**6, 400_000, shift)
    population = float(modality_gap(*large)) if shift else 0.0
    typical = math.sqrt(population**2 + float(sampling_floor(*large)) ** 2 * 400_000 / 150)
    counts = resample_counts(150, 300, seed=0)
    debiased, plain, naive = 0, 0, 0
    for seed in range(100):
        found = located(*drawn_pairs(seed, 150, shift), counts)
        floor = found["gap_floor"].value
        debiased += (found["gap_debiased"].low or 0) <= population <= (found["gap_debiased"].high or 0)
        plain += (found["gap"].low or 0) <= typical <= (found["gap"].high or 0)
        naive += math.hypot(found["gap"].low or 0, floor) <= population
        assert (found["gap"].low or 0) <= found["gap"].value <= (found["gap"].high or 0)
    assert debiased >= 90
    assert plain >= 90
    if shift < 0.5:
        # Why the draws are debiased: the plain percentile interval lies above a small population gap altogether.
        assert naive <= 85


def test_location_errors() -> None:
    x, y = drawn_pairs(0, 4, 0.3)
    case = torch.arange(4)
    rows = Rows(x, case, case, case)
    with pytest.raises(UsageError, match="two cases at least in each modality"):
        located(x[:1], y[:1], resample_counts(1, 3))
    with pytest.raises(UsageError, match="no case has both"):
        location_estimates(rows, Rows(y, case + 4, case + 4, case), resample_counts(8, 3))
