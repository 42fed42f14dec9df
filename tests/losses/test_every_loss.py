"""What holds for every loss: its definition, its symmetries, its edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.arms import ARMS, TAU, TEMPERATURE, Arm, Given, draw
from tests.reference.losses import Batch
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.losses import Loss

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
@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_order_of_rows_does_not_matter(arm: Arm, seed: int) -> None:
    batch = draw(seed, missing=0.3, groups=3)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    assert batch.groups is not None
    shuffled = Given(
        {name: rows[order] for name, rows in batch.embeddings.items()},
        {name: mask[order] for name, mask in batch.present.items()},
        batch.groups[order],
    )
    close(shuffled.total(arm.build()), batch.total(arm.build()))


@every_loss
@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_rotation_does_not_matter(arm: Arm, seed: int) -> None:
    batch = draw(seed)
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    close(batch.mapped(lambda rows: rows @ rotation).total(arm.build()), batch.total(arm.build()))


@every_loss
@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_order_of_modalities_does_not_matter(arm: Arm, seed: int) -> None:
    batch = draw(seed, missing=0.2)
    reversed_batch = Given(dict(reversed(batch.embeddings.items())), batch.present, None)
    close(reversed_batch.total(arm.build()), batch.total(arm.build()))


@pytest.mark.parametrize("name", [name for name in ARMS if name != "AlignTruePairs, anchor held"])
def test_gradient_is_the_derivative(name: str) -> None:
    loss = ARMS[name].build().double()
    batch = draw(3, n=5, d=3, groups=3)
    names = list(batch.embeddings)

    def total(temperature: Tensor, *rows: Tensor) -> Tensor:
        terms = loss.forward(dict(zip(names, rows, strict=True)), {}, temperature, 0.0, batch.groups)
        return torch.stack(list(terms.values())).sum()

    temperature = torch.tensor(TAU, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, (temperature, *batch.embeddings.values()))


@every_loss
def test_absent_rows_touch_nothing(arm: Arm) -> None:
    batch = draw(4, n=12, missing=0.4, groups=6)
    loss = arm.build()
    other = batch.mapped(lambda rows: torch.where(rows.isnan(), torch.inf, rows))
    gradients = batch.gradients(loss)
    assert batch.total(loss).isfinite()
    close(other.total(loss), batch.total(loss), 0.0)
    for name, gradient in gradients.items():
        assert (gradient[~batch.present[name]] == 0).all()
        assert gradient.isfinite().all()
        close(other.gradients(loss)[name], gradient, 0.0)


@every_loss
def test_a_modality_that_the_batch_lacks_changes_nothing(arm: Arm) -> None:
    batch = draw(5)
    nowhere = {"record": torch.zeros(7, dtype=torch.bool)}
    without = Given({name: rows for name, rows in batch.embeddings.items() if name != "record"}, {}, None)
    close(Given(batch.embeddings, nowhere, None).total(arm.build()), without.total(arm.build()))


@every_loss
@pytest.mark.parametrize(
    "kind", ["no row", "one row", "duplicates", "aligned", "all alike", "opposite", "one group", "absent"]
)
def test_degenerate_batches_are_finite(arm: Arm, kind: str) -> None:
    rows = normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    image, report = {
        "no row": (rows[:0], rows[:0]),
        "one row": (rows[:1], rows[1:2]),
        "duplicates": (rows[[0, 0, 1, 1]], rows[[2, 2, 3, 3]]),
        "aligned": (rows, rows),
        "all alike": (rows[[0, 0, 0]], rows[[0, 0, 0]]),
        "opposite": (rows, -rows),
        "one group": (rows, rows.flip(0)),
        "absent": (rows, rows.flip(0)),
    }[kind]
    present = {"report": torch.zeros(6, dtype=torch.bool)} if kind == "absent" else {}
    groups = torch.zeros(6, dtype=torch.long) if kind == "one group" else None
    batch = Given({"image": image, "report": report}, present, groups).mapped(torch.clone)
    loss = arm.build()
    assert batch.total(loss).isfinite()
    for gradient in batch.gradients(loss).values():
        assert gradient.isfinite().all()


@every_loss
def test_autocast_does_not_lower_precision(arm: Arm) -> None:
    batch = draw(6, n=30, d=16, dtype=torch.float32)
    loss = arm.build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = batch.total(loss)
    close(under_autocast, batch.total(loss), 0.0)


@every_loss
def test_bfloat16_embeddings_are_within_their_rounding(arm: Arm) -> None:
    """Rows rounded to bfloat16 (2^-9 relative) move a loss at tau = 0.2 by under 1%; arithmetic adds nothing."""
    batch = draw(7, n=30, d=16)
    rounded = batch.mapped(torch.Tensor.bfloat16)
    total = rounded.total(arm.build())
    assert total.dtype == torch.float32
    close(total.double(), rounded.mapped(torch.Tensor.double).total(arm.build()), 1e-5)
    close(total.double(), batch.total(arm.build()).double(), 1e-2)


@every_loss
def test_number_and_tensor_temperatures_agree(arm: Arm) -> None:
    batch = draw(8)
    loss: Loss = arm.build()
    number = loss(batch.embeddings, {}, TAU, 0.0)
    tensor = loss(batch.embeddings, {}, TEMPERATURE, 0.0)
    for name, value in number.items():
        close(value, tensor[name])


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
