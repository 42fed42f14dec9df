from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.distribution import centred_frechet_distance, distribution_estimates, mmd_sample, squared_mmd
from closegap.metrics.positives import Pairs, Rows

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


@pytest.mark.parametrize("rows", [4, 30])
def test_frechet_by_matrix_square_root(draw: Draw, rows: int) -> None:
    x, y, _, _ = draw(0, n=rows, m=rows + 3)
    a, b = (np.cov(side.numpy().T, bias=True) for side in (x, y))
    expected = np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    # Rank-deficient covariances leave the reference's square root with errors of 1e-7.
    assert float(centred_frechet_distance(x, y)) == pytest.approx(expected, abs=1e-6)


def test_frechet_ignores_centres_and_rotations_of_both(draw: Draw) -> None:
    x, y, _, _ = draw(1, n=30, m=40)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    value = float(centred_frechet_distance(x, y))
    assert value > 0.001
    assert float(centred_frechet_distance(x + 3, y - 1)) == pytest.approx(value)
    assert float(centred_frechet_distance(x @ turn, y @ turn)) == pytest.approx(value)
    assert float(centred_frechet_distance(y, x)) == pytest.approx(value)
    assert float(centred_frechet_distance(x, x)) == pytest.approx(0, abs=1e-9)
    assert float(centred_frechet_distance(x[:1], y[:1])) == 0
    # Twice the spread: tr(S + 4 S - 2 * 2 S) = tr(S).
    spread = float((x - x.mean(0)).square().sum() / len(x))
    assert float(centred_frechet_distance(x, 2 * x)) == pytest.approx(spread)


@pytest.mark.parametrize("seed", range(3))
def test_mmd_loops(draw: Draw, seed: int) -> None:
    x, y, x_cases, y_cases = draw(seed)
    expected = reference.squared_mmd(x.tolist(), y.tolist(), x_cases.tolist(), y_cases.tolist())
    assert float(squared_mmd(x, y, Pairs(x_cases, y_cases))) == pytest.approx(expected)
    assert float(squared_mmd(y, x, Pairs(y_cases, x_cases))) == pytest.approx(expected)


def test_mmd_is_unbiased_for_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    values = []
    for _ in range(300):
        common, first, second = torch.randn(3, 60, 4, generator=generator, dtype=torch.float64)
        values.append(float(squared_mmd(normalize(common + first, dim=1), normalize(common + second, dim=1))))
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_mmd_of_points() -> None:
    x = torch.tensor([[1.0, 0.0]] * 3)
    assert float(squared_mmd(x, x)) == 0
    # Distances: 0 inside, 4 across; 9 of 15 are 4, so the median is 4.
    assert float(squared_mmd(x, -x)) == pytest.approx(2 - 2 * np.exp(-0.5))


def test_samples_keep_cases_whole() -> None:
    x_cases = torch.arange(50).repeat_interleave(2)
    pairs = Pairs(x_cases, torch.arange(60))
    x_rows, y_rows = mmd_sample(pairs, rows=30, seed=0)
    assert 24 <= len(x_rows) <= 30
    assert set(x_cases[x_rows].tolist()) == {case for case in y_rows.tolist() if case < 50}
    assert len(x_rows) == 2 * len(set(x_cases[x_rows].tolist()))
    everything = mmd_sample(pairs, rows=100)
    assert [len(side) for side in everything] == [100, 60]
    assert not torch.equal(x_rows, mmd_sample(pairs, rows=30, seed=1)[0])


def test_estimates(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(4, n=30, m=40, cases=20)
    groups = torch.arange(20) // 2
    counts = resample_counts(10, 30)
    found = distribution_estimates(
        Rows(x, x_cases, groups[x_cases], torch.arange(30)), Rows(y, y_cases, groups[y_cases], torch.arange(40)), counts
    )
    assert found["frechet_centred"].value == pytest.approx(float(centred_frechet_distance(x, y)))
    assert found["frechet_centred"].low is None
    assert found["squared_mmd"].value == pytest.approx(float(squared_mmd(x, y, Pairs(x_cases, y_cases))))
    # Drawing every group once is the sample itself; a draw by hand needs the width of the kernel kept.
    picks = [
        torch.arange(len(cases)).repeat_interleave(counts[0, groups[cases]].long()) for cases in (x_cases, y_cases)
    ]
    pooled = torch.cat([x, y])
    width = float(torch.pdist(pooled).square().median())
    a, b, i, j = x[picks[0]], y[picks[1]], x_cases[picks[0]], y_cases[picks[1]]

    def mean(p: Tensor, q: Tensor, of_p: Tensor, of_q: Tensor) -> float:
        kernels = (-torch.cdist(p, q).square() / (2 * width)).exp()
        return float(kernels[of_p[:, None] != of_q].mean())

    expected = mean(a, a, i, i) + mean(b, b, j, j) - 2 * mean(a, b, i, j)
    assert float(found["squared_mmd"].draws[0]) == pytest.approx(expected)


def test_errors() -> None:
    with pytest.raises(UsageError, match="two cases at least in each modality"):
        squared_mmd(torch.ones(1, 2), torch.ones(1, 2))
    with pytest.raises(UsageError, match="rows of both modalities, got 0 and 2"):
        centred_frechet_distance(torch.ones(0, 2), torch.ones(2, 2))
