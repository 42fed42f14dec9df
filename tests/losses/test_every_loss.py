"""What holds for every loss: its definition, its symmetries, its edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import ARMS, TAU, TEMPERATURE, Arm, draw
from tests.reference.losses import Batch
from torch import Tensor

from closegap.errors import UsageError
from closegap.testing import check_loss

every_loss = pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)
seeds = st.integers(0, 2**31)


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@every_loss
@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    n=st.integers(0, 9),
    m=st.integers(2, 3),
    missing=st.sampled_from([0.0, 0.3, 0.8]),
    groups=st.sampled_from([0, 1, 3]),
)
def test_equals_the_definition(arm: Arm, seed: int, n: int, m: int, missing: float, groups: int) -> None:
    batch = draw(seed, n=n, m=m, missing=missing, groups=groups)
    terms = arm.build().forward(batch.embeddings, batch.present, TEMPERATURE, 0.0, batch.groups)
    expected = arm.terms(Batch(batch.embeddings, batch.present, batch.groups))
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(dict(expected), abs=1e-10)


@every_loss
def test_float32_is_close_to_the_definition(arm: Arm) -> None:
    batch = draw(1, n=40, d=16, missing=0.2, groups=30, dtype=torch.float32)
    expected = sum(arm.terms(Batch(batch.embeddings, batch.present, batch.groups)).values())
    assert batch.total(arm.build()).item() == pytest.approx(expected, rel=2e-5)


@every_loss
def test_it_keeps_what_every_loss_promises(arm: Arm) -> None:
    check_loss(arm.build(), without=arm.without)


@every_loss
def test_half_precision_moves_a_loss_by_its_rounding_alone(arm: Arm) -> None:
    """Rows rounded to bfloat16 (2^-9 relative) move a loss at tau = 0.2 by under 1%."""
    batch = draw(7, n=30, d=16)
    total = batch.mapped(torch.Tensor.bfloat16).total(arm.build())
    close(total.double(), batch.total(arm.build()).double(), 1e-2)


@every_loss
def test_wrong_batches_are_refused(arm: Arm) -> None:
    batch = draw(9)
    loss = arm.build()
    longer = {**batch.embeddings, "report": torch.ones(8, 5, dtype=torch.float64)}
    with pytest.raises(UsageError, match=r"embeddings have shapes .*'report': \(8, 5\).* expected one \(rows, width\)"):
        loss(longer, {}, TAU, 0.0)
    with pytest.raises(UsageError, match=r"presence is given for 'caption', which is not among the modalities"):
        loss(batch.embeddings, {"caption": torch.ones(7, dtype=torch.bool)}, TAU, 0.0)
    with pytest.raises(UsageError, match=r"presence of 'image' is torch.int64 of shape \(7,\), expected torch.bool"):
        loss(batch.embeddings, {"image": torch.ones(7, dtype=torch.long)}, TAU, 0.0)
    with pytest.raises(UsageError, match=r"groups have shape \(3,\), expected \(7,\)"):
        loss(batch.embeddings, {}, TAU, 0.0, torch.arange(3))


@pytest.mark.parametrize("name", [name for name in ARMS if not name.startswith("CentroidUniformity")])
def test_one_modality_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"pairs need two modalities or more, got \['report'\]"):
        ARMS[name].build()({"report": torch.eye(3)}, {}, TAU, 0.0)


@pytest.mark.parametrize("name", [name for name in ARMS if name.startswith(("AlignTruePairs", "GapClosing", "Gram"))])
def test_an_unknown_anchor_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"anchor '(image|report)' is not among the modalities \['ct', 'ehr'\]"):
        ARMS[name].build()({"ct": torch.eye(3), "ehr": torch.eye(3)}, {}, TAU, 0.0)
