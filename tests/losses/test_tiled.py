"""The tiled forms equal the plain ones in value and gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import Given, draw
from torch import Tensor

from closegap.losses import (
    CentroidUniformity,
    GapClosing,
    InfoNCE,
    Loss,
    dividing_work,
    info_nce,
    tiling,
    uniformity,
)
from closegap.losses.tiled import tiled_info_nce, tiled_uniformity
from closegap.losses.tiling import TILED_ABOVE, Tiling

TOLERANCES = {torch.float64: 1e-12, torch.float32: 3e-5}


def in_tiles(side: int, function: Callable[..., Tensor], *given: Any) -> Tensor:
    """What a function of rows returns, by tiles of `side` rows and columns."""
    with tiling(above=-1, side=side):
        return function(*given)


def both(batch: Given) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows that two modalities share, as leaves, and their groups."""
    a, b = batch.embeddings.values()
    groups = batch.groups
    if batch.present:
        rows = batch.present["image"] & batch.present["report"]
        a, b, groups = a[rows], b[rows], None if groups is None else groups[rows]
    return a.detach().requires_grad_(), b.detach().requires_grad_(), groups


def agree(plain: Callable[[], Tensor], tiled: Callable[[], Tensor], inputs: list[Tensor], tolerance: float) -> None:
    """Compare values, and gradients relative to their norm."""
    expected, found = plain(), tiled()
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    pairs = zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True)
    for gradient, reference in pairs:
        assert gradient.isfinite().all()
        assert (gradient - reference).norm() <= tolerance * reference.norm() + tolerance**2


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 20),
    tile=st.integers(1, 21),
    tau=st.sampled_from([1.0, 0.07, 0.01]),
    missing=st.sampled_from([0.0, 0.3]),
    groups=st.sampled_from([0, 1, 8]),
    dtype=st.sampled_from(list(TOLERANCES)),
)
def test_info_nce(seed: int, n: int, tile: int, tau: float, missing: float, groups: int, dtype: torch.dtype) -> None:
    batch = draw(seed, n=n, m=2, missing=missing, groups=groups, dtype=dtype)
    a, b, numbers = both(batch)
    temperature = torch.tensor(tau, dtype=dtype, requires_grad=True)
    agree(
        lambda: info_nce(a, b, temperature, numbers),
        lambda: in_tiles(tile, tiled_info_nce, a, b, temperature, numbers),
        [a, b, temperature],
        TOLERANCES[dtype],
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 20),
    tile=st.integers(1, 21),
    length=st.sampled_from([1.0, 0.3]),
    missing=st.sampled_from([0.0, 0.3]),
    groups=st.sampled_from([0, 1, 8]),
    dtype=st.sampled_from(list(TOLERANCES)),
)
def test_uniformity(
    seed: int, n: int, tile: int, length: float, missing: float, groups: int, dtype: torch.dtype
) -> None:
    batch = draw(seed, n=n, m=2, missing=missing, groups=groups, dtype=dtype)
    x, _, numbers = both(batch)
    agree(
        lambda: uniformity(length * x, numbers),
        lambda: in_tiles(tile, tiled_uniformity, length * x, numbers),
        [x],
        TOLERANCES[dtype],
    )


@pytest.mark.parametrize("groups", [None, torch.tensor([0, 1, 1, 2, 3, 0, 4])], ids=["alone", "grouped"])
def test_gradients_are_derivatives(groups: Tensor | None) -> None:
    a, b = draw(0, d=3, m=2).embeddings.values()
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, y, tau: in_tiles(3, tiled_info_nce, x, y, tau, groups), (a, b, temperature)
    )
    assert torch.autograd.gradcheck(lambda x: in_tiles(3, tiled_uniformity, x, groups), a)


def test_modalities_may_be_of_different_types() -> None:
    a, b = draw(0, m=2).embeddings.values()
    half = b.detach().bfloat16().requires_grad_()
    value = in_tiles(3, tiled_info_nce, a, half, 0.1)
    torch.testing.assert_close(value, info_nce(a, half.double(), 0.1))
    assert torch.autograd.grad(value, half)[0].dtype == torch.bfloat16


def test_the_hardest_temperature_is_finite() -> None:
    rows = torch.eye(6).requires_grad_()
    agree(lambda: info_nce(rows, -rows, 0.001), lambda: in_tiles(4, tiled_info_nce, rows, -rows, 0.001), [rows], 1e-5)


def test_values_without_gradients() -> None:
    rows = draw(1).embeddings["image"].detach()
    torch.testing.assert_close(in_tiles(3, tiled_uniformity, rows), uniformity(rows), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        in_tiles(3, tiled_info_nce, rows, rows, 0.1), info_nce(rows, rows, 0.1), rtol=1e-12, atol=0
    )


def test_autocast_does_not_lower_precision() -> None:
    a, b = draw(2, n=30, d=16, m=2, dtype=torch.float32).embeddings.values()
    tau = torch.tensor(0.1, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = in_tiles(8, tiled_info_nce, a, b, tau), in_tiles(8, tiled_uniformity, a)
        of_tau = torch.autograd.grad(values[0], tau, retain_graph=True)[0]
        gradients = [torch.autograd.grad(value, a)[0] for value in values]
    assert torch.equal(of_tau, torch.autograd.grad(in_tiles(8, tiled_info_nce, a, b, tau), tau)[0])
    assert torch.equal(values[0], in_tiles(8, tiled_info_nce, a, b, 0.1))
    assert torch.equal(values[1], in_tiles(8, tiled_uniformity, a))
    assert torch.equal(gradients[0], torch.autograd.grad(in_tiles(8, tiled_info_nce, a, b, 0.1), a)[0])
    assert torch.equal(gradients[1], torch.autograd.grad(in_tiles(8, tiled_uniformity, a), a)[0])


def saved_numbers(loss: Loss, batch: Given) -> int:
    """Size of the largest tensor that the loss keeps for its backward pass."""
    sizes = [0]

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        batch.total(loss)
    return max(sizes)


@pytest.mark.parametrize("build", [InfoNCE, CentroidUniformity, GapClosing])
def test_large_batches_keep_no_matrix_and_small_ones_take_the_plain_form(build: Callable[[], Loss]) -> None:
    n, d = TILED_ABOVE + 1, 4
    assert saved_numbers(build(), draw(3, n=n, d=d, m=2)) == n * d
    assert saved_numbers(build(), draw(3, n=n - 1, d=d, m=2)) == (n - 1) ** 2


def test_a_large_batch_equals_the_plain_forms() -> None:
    batch = draw(4, n=TILED_ABOVE + 500, d=8, m=2, missing=0.1, groups=900)
    image, report = batch.embeddings.values()
    rows = batch.present["image"] & batch.present["report"]
    assert batch.groups is not None
    assert rows.sum() > TILED_ABOVE
    groups = batch.groups[rows]
    agree(
        lambda: info_nce(image[rows], report[rows], 0.2, groups),
        lambda: batch.total(InfoNCE()),
        [image, report],
        TOLERANCES[torch.float64],
    )


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 40), size=st.integers(1, 7), tile=st.none() | st.integers(1, 9))
def test_processes_divide_the_tiles_evenly(n: int, size: int, tile: int | None) -> None:
    seen, upper, counts = torch.zeros(n, n), torch.zeros(n, n), []
    for rank in range(size):
        with dividing_work(Member(rank, size)), tiling(side=tile):
            tiles = Tiling(n, largest=max(1, -(-n // size)))
        own = list(tiles.all())
        counts.append(len(own))
        for rows, columns in own:
            seen[rows, columns] += 1
        for rows, columns in tiles.upper():
            upper[rows, columns] += 1
            if rows != columns:
                upper[columns, rows] += 1
    assert seen.eq(1).all()
    assert upper.eq(1).all()
    assert max(counts) - min(counts) <= 1


@dataclass(frozen=True)
class Member:
    """One of several processes that never speak."""

    rank: int
    size: int

    def sum(self, values: Tensor) -> Tensor:
        return values

    def max(self, values: Tensor) -> Tensor:
        return values
