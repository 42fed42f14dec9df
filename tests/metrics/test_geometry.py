import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics import uniformity as uniformity_file
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.effective_rank import effective_rank
from closegap.metrics.gap import gap_concentration
from closegap.metrics.geometry import rank_estimates, uniformity_estimates
from closegap.metrics.location import location_estimates
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.uniformity import centroid_uniformity, cross_uniformity, uniformity

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


@pytest.mark.parametrize("name", ["small", "gap", "tight"])
def test_published_numbers(golden_folder: Path, name: str) -> None:
    golden = json.loads((golden_folder / "modgap_936161c.json").read_text())[name]
    with np.load(golden_folder / "modgap_936161c.npz") as arrays:
        x, y = torch.from_numpy(arrays[f"{name}_x"]), torch.from_numpy(arrays[f"{name}_y"])
    assert float(uniformity(x)) == pytest.approx(golden["lunif_x"], abs=1e-9)
    assert float(centroid_uniformity(x, y)) == pytest.approx(golden["lunif_centroids_normalised"], abs=1e-9)
    assert float(centroid_uniformity(x, y, normalised=False)) == pytest.approx(golden["lunif_centroids_raw"], abs=1e-9)
    assert float(uniformity(x.float())) == pytest.approx(golden["lunif_x"], rel=2e-5)
    assert float(centroid_uniformity(x.float(), y.float())) == pytest.approx(
        golden["lunif_centroids_normalised"], rel=2e-5
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kernels_at_once", [1, 40, 10_000])
def test_loops_over_rows_with_cases(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, seed: int, kernels_at_once: int
) -> None:
    monkeypatch.setattr(uniformity_file, "_KERNELS_AT_ONCE", kernels_at_once)
    x, y, x_cases, y_cases = draw(seed)
    lists = (x.tolist(), y.tolist(), x_cases.tolist(), y_cases.tolist())
    assert float(cross_uniformity(x, y, Pairs(x_cases, y_cases))) == pytest.approx(reference.log_mean_kernel(*lists))
    assert float(uniformity(x, x_cases)) == pytest.approx(
        reference.log_mean_kernel(lists[0], lists[0], lists[2], lists[2])
    )
    raw = reference.case_centroids(*lists)
    unit = [reference.unit(row) for row in raw]
    numbers = range(len(raw))
    assert float(centroid_uniformity(x, y, Pairs(x_cases, y_cases), normalised=False)) == pytest.approx(
        reference.log_mean_kernel(raw, raw, numbers, numbers)
    )
    assert float(centroid_uniformity(x, y, Pairs(x_cases, y_cases))) == pytest.approx(
        reference.log_mean_kernel(unit, unit, numbers, numbers)
    )


def test_uniformity_bounds() -> None:
    point = torch.tensor([[1.0, 0.0]])
    assert float(uniformity(point.expand(4, 2))) == pytest.approx(0.0, abs=1e-6)
    assert float(uniformity(torch.cat([point, -point]))) == pytest.approx(-8.0)
    with pytest.raises(UsageError, match="needs two cases at least"):
        uniformity(point)
    with pytest.raises(UsageError, match="needs two cases at least"):
        uniformity(point.expand(3, 2), torch.tensor([4, 4, 4]))


def test_effective_rank_by_hand() -> None:
    assert float(effective_rank(torch.eye(5))) == pytest.approx(5.0)
    assert float(effective_rank(torch.ones(7, 64))) == pytest.approx(1.0, abs=1e-9)
    # Singular values 3 and 1: entropy of (3/4, 1/4).
    shares = torch.tensor([0.75, 0.25])
    expected = float((-(shares * shares.log()).sum()).exp())
    assert float(effective_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0])))) == pytest.approx(expected)
    with pytest.raises(UsageError, match="a row that is not zero"):
        effective_rank(torch.zeros(3, 2))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 9), d=st.integers(1, 12))
def test_properties(seed: int, n: int, d: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = normalize(torch.randn(2, n, d, generator=generator, dtype=torch.float64), dim=2)
    turn, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    order = torch.randperm(n, generator=generator)
    singular = torch.linalg.svdvals(x)
    shares = singular / singular.sum()
    assert float(effective_rank(x)) == pytest.approx(float(torch.special.entr(shares).sum().exp()), abs=1e-5)
    assert 1 - 1e-9 <= float(effective_rank(x)) <= min(n, d) + 1e-9
    assert float(effective_rank((x @ turn)[order])) == pytest.approx(float(effective_rank(x)), abs=1e-5)
    for metric in (cross_uniformity, centroid_uniformity):
        value = float(metric(x, y))
        assert -8 - 1e-9 <= value <= 1e-9
        assert float(metric(x[order] @ turn, y[order] @ turn)) == pytest.approx(value, abs=1e-8)
        assert float(metric(y, x)) == pytest.approx(value, abs=1e-9)


def test_concentration_by_hand() -> None:
    x = torch.tensor([[3.0, 0.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0]])
    y = torch.tensor([[0.0, 0.0, 0.0, 0.0]])
    # Squared differences of the means: 9, 1, 1, 0.
    assert float(gap_concentration(x, y, k=1)) == pytest.approx(9 / 11)
    assert float(gap_concentration(x, y, k=9)) == pytest.approx(1.0)
    assert float(gap_concentration(x, x)) == 1.0


def sampled(n: int, d: int = 24, seed: int = 0) -> tuple[Rows, Rows]:
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, d, generator=generator, dtype=torch.float64)
    scale = torch.linspace(2, 0.1, d, dtype=torch.float64)
    x, y = normalize((common + torch.randn(2, n, d, generator=generator, dtype=torch.float64)) * scale + 0.1, dim=2)
    y = normalize(y - torch.eye(d, dtype=torch.float64)[3], dim=1)
    case = torch.arange(n)
    groups = case // 2
    return Rows(x, case, groups, case), Rows(y, case, groups, case)


def test_geometry_values_are_the_pure_functions() -> None:
    x, y = sampled(60)
    y = y.pick(torch.arange(5, 60))
    counts = resample_counts(30, 20)
    found = uniformity_estimates(x, y, counts) | rank_estimates(x, y, counts)
    expected = {
        "uniformity_x": uniformity(x.embeddings),
        "uniformity_y": uniformity(y.embeddings),
        "cross_uniformity": cross_uniformity(x.embeddings, y.embeddings, Pairs(x.cases, y.cases)),
        "centroid_uniformity": centroid_uniformity(x.embeddings, y.embeddings, Pairs(x.cases, y.cases)),
        "effective_rank_x": effective_rank(x.embeddings),
        "effective_rank_y": effective_rank(y.embeddings),
        "effective_rank_pooled": effective_rank(torch.cat([x.embeddings, y.embeddings])),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(float(value)), name


@pytest.mark.parametrize("spread", ["cone", "sphere"])
def test_draws_spread_as_independent_samples_do(spread: str) -> None:
    # On the sphere the first order of uniformity vanishes; the draws must still not promise more than samples hold.
    samples = []
    for seed in range(120):
        x, y = sampled(200, seed=seed)
        if spread == "sphere":
            generator = torch.Generator().manual_seed(seed)
            shape = x.embeddings.shape
            x, y = (
                Rows(normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=1), *rest)
                for rest in ((side.cases, side.cases, side.index) for side in (x, y))
            )
        samples.append((x, y))
    values: dict[str, list[float]] = {}
    spreads: dict[str, list[float]] = {}
    for number, (x, y) in enumerate(samples):
        counts = resample_counts(int(x.groups.max()) + 1, 100 if number < 12 else 1, seed=number)
        for name, found in (uniformity_estimates(x, y, counts) | rank_estimates(x, y, counts)).items():
            values.setdefault(name, []).append(found.value)
            if number < 12:
                spreads.setdefault(name, []).append(float(found.draws.std()))
    for name, measured in values.items():
        ratio = sum(spreads[name]) / len(spreads[name]) / float(torch.tensor(measured).std())
        assert 0.7 < ratio < 1.7, (name, ratio)


def test_concentration_of_the_gap_has_an_interval_around_it() -> None:
    x, y = sampled(400)
    found = location_estimates(x, y, resample_counts(200, 200))["gap_top_dimensions"]
    assert found.value == pytest.approx(float(gap_concentration(x.embeddings, y.embeddings)))
    assert found.value > 0.8
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.1
