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
from closegap.metrics.cosines import (
    cosine_corrected,
    cosine_null,
    cosine_true_pairs,
    mean_angular_value,
    relative_modality_gap,
)
from closegap.metrics.gap import debiased_gap, modality_gap, sampling_floor
from closegap.metrics.positives import Pairs

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


@pytest.mark.parametrize("name", ["small", "gap", "tight"])
def test_published_numbers(golden_folder: Path, name: str) -> None:
    golden = json.loads((golden_folder / "modgap_936161c.json").read_text())[name]
    with np.load(golden_folder / "modgap_936161c.npz") as arrays:
        x, y = torch.from_numpy(arrays[f"{name}_x"]), torch.from_numpy(arrays[f"{name}_y"])
    assert float(modality_gap(x, y)) == pytest.approx(golden["gap"], abs=1e-9)
    assert float(cosine_true_pairs(x, y)) == pytest.approx(golden["cos_true_pairs"], abs=1e-9)
    assert float(mean_angular_value(x)) == pytest.approx(golden["mean_cos_x"], abs=1e-9)
    assert float(mean_angular_value(y)) == pytest.approx(golden["mean_cos_y"], abs=1e-9)
    assert float(modality_gap(x.float(), y.float())) == pytest.approx(golden["gap"], rel=2e-5)
    assert float(mean_angular_value(x.float())) == pytest.approx(golden["mean_cos_x"], rel=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_loops_over_rows_with_cases(draw: Draw, seed: int) -> None:
    x, y, x_cases, y_cases = draw(seed)
    pairs = Pairs(x_cases, y_cases)
    lists = (x.tolist(), y.tolist(), x_cases.tolist(), y_cases.tolist())
    assert float(modality_gap(x, y)) == pytest.approx(reference.modality_gap(*lists[:2]), abs=1e-12)
    assert float(cosine_true_pairs(x, y, pairs)) == pytest.approx(reference.cosine_true_pairs(*lists), abs=1e-12)
    assert float(cosine_null(x, y, pairs)) == pytest.approx(reference.cosine_null(*lists), abs=1e-12)
    assert float(relative_modality_gap(x, y, pairs)) == pytest.approx(
        reference.relative_modality_gap(*lists), abs=1e-12
    )
    assert float(cosine_corrected(x, y, pairs)) == pytest.approx(
        reference.cosine_true_pairs(*lists) - reference.cosine_null(*lists), abs=1e-12
    )


def test_floor_of_aligned_rows(draw: Draw) -> None:
    x, y, _, _ = draw(0, n=15, m=15)
    assert float(sampling_floor(x, y)) == pytest.approx(reference.sampling_floor(x.tolist(), y.tolist()), abs=1e-12)


def test_floor_is_what_samples_without_a_gap_show() -> None:
    generator = torch.Generator().manual_seed(0)
    shared_part = torch.randn(400, 200, 16, generator=generator)
    x = normalize(shared_part + torch.randn(400, 200, 16, generator=generator), dim=2)
    y = normalize(shared_part + torch.randn(400, 200, 16, generator=generator), dim=2)
    squared_gaps = torch.stack([modality_gap(a, b).square() for a, b in zip(x, y, strict=True)])
    squared_floors = torch.stack([sampling_floor(a, b).square() for a, b in zip(x, y, strict=True)])
    assert float(squared_gaps.mean()) == pytest.approx(float(squared_floors.mean()), rel=0.05)


def test_floor_of_copies_is_that_of_the_cases(draw: Draw) -> None:
    # Rows that only repeat their case bring no new information: as a sample of cases nothing has changed.
    x, y, _, _ = draw(1, n=10, m=10)
    cases = torch.arange(10)
    pairs = Pairs(cases.repeat(3), cases.repeat(2))
    assert float(sampling_floor(x.repeat(3, 1), y.repeat(2, 1), pairs)) == pytest.approx(float(sampling_floor(x, y)))


def test_floor_counts_groups_as_what_was_sampled(draw: Draw) -> None:
    x, y, _, _ = draw(2, n=10, m=10)
    groups = torch.arange(10) // 2
    halves = (torch.stack([x[::2], x[1::2]]).mean(0), torch.stack([y[::2], y[1::2]]).mean(0))
    assert float(sampling_floor(x, y, groups=groups)) == pytest.approx(float(sampling_floor(*halves)))


def test_debiased_gap() -> None:
    gaps, floors = torch.tensor([0.5, 0.3]), torch.tensor([0.3, 0.5])
    torch.testing.assert_close(debiased_gap(gaps, floors), torch.tensor([0.4, 0.0]))


def test_relative_gap_by_hand() -> None:
    # True pairs at 90 degrees: (1 - 0) / 2 = 1/2. x: opposite points, D = 1; y: 90 degrees, D = 1/2.
    x = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    y = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert float(relative_modality_gap(x, y)) == pytest.approx(0.5 / (0.5 + 0.75))
    assert float(relative_modality_gap(x, x)) == 0.0
    point = torch.tensor([[1.0, 0.0]] * 3)
    assert float(relative_modality_gap(point, -point)) == pytest.approx(1.0)
    assert float(relative_modality_gap(point, point)) == 0.0
    for seed in range(20):  # single precision: a row's cosine with itself is 1 up to rounding, above it or below
        row = torch.nn.functional.normalize(torch.randn(1, 64, generator=torch.manual_seed(seed)), dim=1)
        assert float(relative_modality_gap(row.expand(5, -1), row.expand(5, -1))) == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 9), d=st.integers(1, 6))
def test_bounds_rotation_order_and_exchange(seed: int, n: int, d: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = normalize(torch.randn(2, n, d, generator=generator, dtype=torch.float64), dim=2)
    turn, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    order = torch.randperm(n, generator=generator)
    for metric, low, high in (
        (modality_gap, 0, 2),
        (sampling_floor, 0, 2),
        (cosine_true_pairs, -1, 1),
        (cosine_null, -1, 1),
        (cosine_corrected, -2, 2),
        (relative_modality_gap, 0, 1),
    ):
        value = float(metric(x, y))
        assert low - 1e-12 <= value <= high + 1e-12, metric
        assert float(metric(x @ turn, y @ turn)) == pytest.approx(value, abs=1e-9), metric
        assert float(metric(x[order], y[order])) == pytest.approx(value, abs=1e-9), metric
        assert float(metric(y, x)) == pytest.approx(value, abs=1e-9), metric


def test_a_cone_raises_the_cosine_and_not_the_corrected_one() -> None:
    rows = torch.tensor([[1.0, 0.0]]).expand(5, 2)
    assert float(cosine_true_pairs(rows, rows)) == pytest.approx(1.0)
    assert float(cosine_corrected(rows, rows)) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: modality_gap(torch.ones(0, 2), torch.ones(3, 2)), "needs rows of both modalities, got 0 and 3"),
        (lambda: cosine_true_pairs(torch.ones(2, 2), torch.ones(3, 2)), "2 and 3 rows do not pair one to one"),
        (
            lambda: cosine_true_pairs(torch.ones(1, 2), torch.ones(1, 2), Pairs(torch.tensor([0]), torch.tensor([1]))),
            "no case has both modalities",
        ),
        (lambda: cosine_null(torch.ones(1, 2), torch.ones(1, 2)), "needs two cases at least"),
        (lambda: mean_angular_value(torch.ones(2, 2), torch.zeros(2, dtype=torch.int64)), "needs two cases at least"),
        (
            lambda: cosine_null(torch.ones(2, 2), torch.ones(2, 2), Pairs(torch.arange(3), torch.arange(2))),
            "pairs of 3 x 2 rows given with 2 x 2 embeddings",
        ),
    ],
)
def test_errors(measure: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        measure()
