"""Any function of pairs over the negatives: the tiled forms equal the dense ones in value and gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import draw
from torch import Tensor, nn

from closegap.errors import UsageError
from closegap.losses import logsumexp_over_negatives, sum_over_negatives, tiling

FORMS = {"sum": sum_over_negatives, "log-sum-exp": logsumexp_over_negatives}
forms = pytest.mark.parametrize("name", FORMS)


def entries(a: Tensor, weights: Tensor, b: Tensor, temperature: Tensor, metric: Tensor) -> Tensor:
    """Of rows, numbers of rows, and a matrix that all share."""
    return (a @ metric @ b.T / temperature).tanh() * weights[:, None]


@forms
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 15), side=st.integers(1, 16), groups=st.sampled_from([0, 1, 6]))
def test_tiles_equal_the_dense_form(name: str, seed: int, n: int, side: int, groups: int) -> None:
    batch = draw(seed, n=n, d=4, m=2, groups=groups)
    a, b = batch.embeddings.values()
    weights = torch.linspace(0.5, 2, n, dtype=torch.float64, requires_grad=True)
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    metric = torch.eye(4, dtype=torch.float64, requires_grad=True)

    def computed() -> list[Tensor]:
        found = FORMS[name](entries, [a, weights], [b], [tau, metric], batch.groups)
        return [found, *torch.autograd.grad(found.exp().sum(), [a, weights, b, tau, metric])]

    expected = computed()
    with tiling(above=-1, side=side):
        for one, other in zip(computed(), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@forms
@pytest.mark.parametrize("above", [-1, 100])
def test_half_precision_is_raised_under_autocast_too(name: str, above: int) -> None:
    a, b = (rows.detach() for rows in draw(1, n=20, m=2, dtype=torch.bfloat16).embeddings.values())
    given = FORMS[name], (lambda x, y: x @ y.T)
    with tiling(above=above, side=6):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = given[0](given[1], [a], [b])
        assert torch.equal(found, given[0](given[1], [a.float()], [b.float()]))


@forms
@pytest.mark.parametrize("above", [-1, 100])
def test_only_what_is_asked_for_takes_gradients(name: str, above: int) -> None:
    a, b = (rows.detach() for rows in draw(2, m=2).embeddings.values())
    with tiling(above=above, side=3):
        assert not FORMS[name](lambda x, y: x @ y.T, [a], [b]).requires_grad
        labels = torch.arange(7)
        found = FORMS[name](lambda x, i, y: x @ y.T * (i % 2)[:, None], [a.requires_grad_(), labels], [b])
        gradient = torch.autograd.grad(found.sum(), a)[0]
    assert (gradient[1::2] != 0).any()
    if name == "sum":
        assert (gradient[::2] == 0).all()


@forms
@pytest.mark.parametrize("above", [-1, 100])
def test_a_parameter_that_is_not_handed_over_is_refused(name: str, above: int) -> None:
    rows, scale = torch.eye(3), nn.Parameter(torch.ones(()))
    with (
        tiling(above=above),
        pytest.raises(UsageError, match="gradients of a tensor that is not among their arguments; add it to `numbers`"),
    ):
        FORMS[name](lambda a, b: a @ b.T * scale, [rows], [rows])


@forms
def test_entries_of_another_shape_are_refused(name: str) -> None:
    rows = torch.eye(3)
    with pytest.raises(UsageError, match=r"entries of no rows and no columns have shape \(0,\), expected \(0, 0\)"):
        FORMS[name](lambda a, b: (a * b).sum(1), [rows], [rows])
