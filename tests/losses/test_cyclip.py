"""CyCLIP's inconsistencies, of d x d products, equal those of the n x n matrices."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import draw
from tests.losses.test_tiled import both
from torch import Tensor
from torch.nn.functional import normalize

from closegap.losses.cyclip import inconsistencies


def dense(a: Tensor, b: Tensor) -> Tensor:
    cross_modal, in_modal = a @ b.T - b @ a.T, a @ a.T - b @ b.T
    return torch.stack([matrix.square().sum() for matrix in (cross_modal, in_modal)]) / max(len(a), 1)


def agree(found: Tensor, expected: Tensor, inputs: list[Tensor], references: list[Tensor], tolerance: float) -> None:
    """Compare both values, and their gradients relative to their norm."""
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=1e-15)
    for one, other in zip(found, expected, strict=True):
        gradients = torch.autograd.grad(one, inputs, retain_graph=True)
        for gradient, reference in zip(
            gradients, torch.autograd.grad(other, references, retain_graph=True), strict=True
        ):
            assert (gradient - reference).norm() <= tolerance * reference.norm() + 1e-13


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 20), d=st.integers(1, 20), missing=st.sampled_from([0.0, 0.3]))
def test_values_and_gradients(seed: int, n: int, d: int, missing: float) -> None:
    batch = draw(seed, n=n, d=d, m=2, missing=missing)
    a, b, _ = both(batch)
    agree(inconsistencies(a, b), dense(a, b), [a, b], [a, b], 1e-11)


def test_more_rows_than_a_block() -> None:
    sides = list(draw(0, n=2500, d=3, m=2).embeddings.values())
    agree(inconsistencies(*sides), dense(*sides), sides, sides, 1e-11)


def test_gradients_are_derivatives() -> None:
    a, b = draw(1, n=4, d=3, m=2).embeddings.values()
    assert torch.autograd.gradcheck(inconsistencies, (a, b))


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("arranged", ["alike", "symmetrically"])
def test_digits_are_kept_near_zero_in_float32(arranged: str, noise: float) -> None:
    """Similarities of `a` and a reflected `a` are symmetric; their squares add up to 1e-10 of their parts or less."""
    generator = torch.Generator().manual_seed(2)
    a, noises = (torch.randn(60, 16, generator=generator) for _ in range(2))
    axis = normalize(torch.randn(16, 1, generator=generator), dim=0)
    reflected = a - 2 * a @ axis @ axis.T if arranged == "symmetrically" else a
    sides = [normalize(rows, dim=1).requires_grad_() for rows in (a, reflected + noise * noises)]
    exact = [rows.detach().double().requires_grad_() for rows in sides]
    agree(inconsistencies(*sides), dense(*exact), sides, exact, 1e-5)


def test_nothing_is_left_where_modalities_coincide() -> None:
    a = draw(3, dtype=torch.float32).embeddings["image"]
    b = a.detach().clone().requires_grad_()
    values = inconsistencies(a, b)
    assert values.tolist() == [0, 0]
    for gradient in torch.autograd.grad(values.sum(), [a, b]):
        assert (gradient == 0).all()
