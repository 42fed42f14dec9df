"""The tiled forms of the baselines equal the plain ones in value and gradient."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import ARMS, draw
from tests.losses.test_tiled import TOLERANCES, agree, both, in_tiles, saved_numbers
from torch import Tensor

from closegap.losses import CyCLIP, GramVolume, Loss, SigLIP, UniformityAlignment, cross_uniformity
from closegap.losses.sigmoid import pair_sigmoid
from closegap.losses.tiled_pairs import tiled_cross_uniformity, tiled_pair_sigmoid
from closegap.losses.tiling import TILED_ABOVE
from closegap.losses.volume import volume_contrast

batches = given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 20),
    tile=st.integers(1, 21),
    missing=st.sampled_from([0.0, 0.3]),
    groups=st.sampled_from([0, 1, 8]),
    dtype=st.sampled_from(list(TOLERANCES)),
    tau=st.sampled_from([1.0, 0.07, 0.01]),
    other=st.sampled_from([0.3, 1.0]),
)
GROUPS = pytest.mark.parametrize("groups", [None, torch.tensor([0, 1, 1, 2, 3, 0, 4])], ids=["alone", "grouped"])


@settings(max_examples=60, deadline=None)
@batches
def test_pair_sigmoid(
    seed: int, n: int, tile: int, missing: float, groups: int, dtype: torch.dtype, tau: float, other: float
) -> None:
    batch = draw(seed, n=n, m=2, missing=missing, groups=groups, dtype=dtype)
    a, b, numbers = both(batch)
    temperature = torch.tensor(tau, dtype=dtype, requires_grad=True)
    bias = torch.tensor(-10 * other, dtype=dtype, requires_grad=True)
    agree(
        lambda: pair_sigmoid(a, b, temperature, bias, numbers),
        lambda: in_tiles(tile, tiled_pair_sigmoid, a, b, temperature, bias, numbers),
        [a, b, temperature, bias],
        TOLERANCES[dtype],
    )


@settings(max_examples=60, deadline=None)
@batches
def test_cross_uniformity(
    seed: int, n: int, tile: int, missing: float, groups: int, dtype: torch.dtype, tau: float, other: float
) -> None:
    del tau
    batch = draw(seed, n=n, m=2, missing=missing, groups=groups, dtype=dtype)
    a, b, numbers = both(batch)
    agree(
        lambda: cross_uniformity(other * a, b, numbers),
        lambda: in_tiles(tile, tiled_cross_uniformity, other * a, b, numbers),
        [a, b],
        TOLERANCES[dtype],
    )


@settings(max_examples=60, deadline=None)
@batches
def test_volume_contrast(
    seed: int, n: int, tile: int, missing: float, groups: int, dtype: torch.dtype, tau: float, other: float
) -> None:
    del missing
    batch = draw(seed, n=n, groups=groups, dtype=dtype)
    anchor, report, record = batch.embeddings.values()
    present = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) < other
    temperature = torch.tensor(tau, dtype=dtype, requires_grad=True)

    given = anchor, torch.stack([report, record], 1), present, temperature, batch.groups
    agree(
        lambda: volume_contrast(*given),
        lambda: in_tiles(tile, volume_contrast, *given),
        [anchor, report, record, temperature],
        TOLERANCES[dtype],
    )


@GROUPS
def test_gradients_are_derivatives(groups: Tensor | None) -> None:
    a, b = draw(0, d=3, m=2).embeddings.values()
    temperature, bias = (torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in (0.3, -2.0))
    assert torch.autograd.gradcheck(
        lambda x, y, tau, shift: in_tiles(3, tiled_pair_sigmoid, x, y, tau, shift, groups), (a, b, temperature, bias)
    )
    assert torch.autograd.gradcheck(lambda x, y: in_tiles(3, tiled_cross_uniformity, x, y, groups), (a, b))


def test_settled_pairs_keep_their_digits() -> None:
    """Negatives at a logit of -110 weigh exp(-110), which float32 rounds to nothing, and no NaN."""
    rows = torch.eye(6).requires_grad_()
    agree(
        lambda: pair_sigmoid(rows, -rows, 0.01, -10.0),
        lambda: in_tiles(4, tiled_pair_sigmoid, rows, -rows, 0.01, -10.0),
        [rows],
        1e-5,
    )


def test_values_without_gradients() -> None:
    a, b = (rows.detach() for rows in draw(1, m=2).embeddings.values())
    found = in_tiles(3, tiled_pair_sigmoid, a, b, 0.1, -1.0), in_tiles(3, tiled_cross_uniformity, a, b)
    for value, expected in zip(found, (pair_sigmoid(a, b, 0.1, -1.0), cross_uniformity(a, b)), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("build", [UniformityAlignment, SigLIP, CyCLIP, GramVolume])
def test_large_batches_keep_no_matrix(build: Callable[[], Loss]) -> None:
    n, d = TILED_ABOVE + 1, 4
    assert saved_numbers(build(), draw(3, n=n, d=d, m=2)) == n * d
    assert saved_numbers(build(), draw(3, n=n - 1, d=d, m=2)) == (n - 1) ** 2


@pytest.mark.parametrize("name", ["UniformityAlignment", "SigLIP", "GramVolume"])
def test_autocast_does_not_lower_precision(name: str) -> None:
    batch = draw(5, n=TILED_ABOVE + 1, d=16, dtype=torch.float32)
    loss, rows = ARMS[name].build(), list(batch.embeddings.values())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = batch.total(loss)
    expected = batch.total(loss)
    assert torch.equal(value, expected)
    for found, gradient in zip(torch.autograd.grad(value, rows), torch.autograd.grad(expected, rows), strict=True):
        assert torch.equal(found, gradient)
