"""InfoNCE: bounds, optimum, groups, anchors."""

from itertools import combinations
from math import exp, log, log1p

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses.arms import TAU, draw
from torch.nn.functional import cross_entropy

from closegap.errors import UsageError
from closegap.losses import InfoNCE, info_nce
from closegap.losses.embedded_batch import EmbeddedBatch


def test_it_is_the_mean_of_two_cross_entropies() -> None:
    a, b, _ = draw(0, n=9).embeddings.values()
    logits, diagonal = a @ b.T / 0.1, torch.arange(9)
    expected = (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2
    torch.testing.assert_close(info_nce(a, b, 0.1), expected, rtol=1e-12, atol=0)


@given(seed=st.integers(0, 2**31), tau=st.floats(0.01, 1.0))
def test_bounds(seed: int, tau: float) -> None:
    a, b, _ = draw(seed).embeddings.values()
    assert 0 <= info_nce(a, b, tau).item() <= log1p(6 * exp(min(2 / tau, 700)))


def test_log_n_where_nothing_is_told_apart() -> None:
    rows = torch.ones(5, 1, dtype=torch.float64)
    assert info_nce(rows, rows, 0.07).item() == pytest.approx(log(5))


def test_small_losses_keep_their_digits_in_float32() -> None:
    rows = torch.eye(4)
    assert info_nce(rows, rows, 0.05).item() == pytest.approx(log1p(3 * exp(-20)), rel=1e-5)


def test_the_hardest_temperature_is_finite() -> None:
    rows = torch.eye(4).requires_grad_()
    value = info_nce(rows, -rows, 0.01)
    assert value.item() == pytest.approx(100 + log(3))
    assert torch.autograd.grad(value, rows)[0].isfinite().all()


def test_rows_of_a_group_are_not_negatives() -> None:
    a, b, _ = draw(1, n=4).embeddings.values()
    grouped = info_nce(a, b, 0.2, groups=torch.tensor([5, 5, -1, -2]))
    gradient = torch.autograd.grad(grouped, b)[0]
    logits = (a @ b.T / 0.2).detach()
    without = logits.clone()
    without[0, 1] = without[1, 0] = -torch.inf
    expected = (2 * logits.diagonal() - without.logsumexp(0) - without.logsumexp(1)).mean() / -2
    torch.testing.assert_close(grouped.detach(), expected)
    assert gradient.abs().sum(1).gt(0).all()


def test_a_group_alone_leaves_nothing_to_tell_apart() -> None:
    a, b, _ = draw(2).embeddings.values()
    value = info_nce(a, b, 0.2, groups=torch.zeros(7, dtype=torch.long))
    assert value.item() == 0
    assert (torch.autograd.grad(value, a)[0] == 0).all()


def test_anchored_pairs_leave_out_the_others() -> None:
    batch = draw(3)
    image, report, record = batch.embeddings.values()
    value = InfoNCE("report")(batch.embeddings, {}, 0.2, 0.0)["contrastive"]
    torch.testing.assert_close(value, (info_nce(report, image, 0.2) + info_nce(report, record, 0.2)) / 2)


def test_an_unknown_anchor_is_refused() -> None:
    with pytest.raises(UsageError, match=r"anchor 'ct' is not among the modalities \['image', 'report', 'record'\]"):
        InfoNCE("ct")(draw(4).embeddings, {}, 0.2, 0.0)


def embedded(seed: int, factor: float = 1.0, *names: str) -> EmbeddedBatch:
    drawn = draw(seed)
    kept = {name: rows for name, rows in drawn.embeddings.items() if name in names or not names}
    present = {name: mask for name, mask in drawn.present.items() if name in kept}
    return EmbeddedBatch(kept, present, TAU * factor, groups=drawn.groups)


def test_a_temperature_of_its_own_divides_what_a_modality_is_in() -> None:
    batch, loss = embedded(4), InfoNCE(own_temperatures=["image", "record"])
    assert loss.terms(batch)["contrastive"] == InfoNCE().terms(batch)["contrastive"]
    with torch.no_grad():
        loss.log_scales["image"].fill_(0.6)
        loss.log_scales["record"].fill_(-1.0)
    factors = {"image": exp(-0.6), "report": 1.0, "record": exp(1.0)}
    found = loss.terms(batch)["contrastive"]
    alone = [
        InfoNCE().terms(embedded(4, (factors[a] * factors[b]) ** 0.5, a, b))["contrastive"]
        for a, b in combinations(factors, 2)
    ]
    torch.testing.assert_close(found, torch.stack(alone).mean())
    gradients = torch.autograd.grad(found, list(loss.log_scales.values()))
    for name, gradient in zip(loss.log_scales, gradients, strict=True):
        values = []
        for step in (1e-3, -1e-3):
            with torch.no_grad():
                loss.log_scales[name] += step
                values.append(loss.terms(batch)["contrastive"].double())
                loss.log_scales[name] -= step
        torch.testing.assert_close(gradient.double(), (values[0] - values[1]) / 2e-3, rtol=1e-3, atol=1e-4)


def test_a_temperature_of_its_own_stays_within_bounds_and_belongs_to_a_modality() -> None:
    batch, loss = embedded(5), InfoNCE(own_temperatures=["image"])
    with torch.no_grad():
        loss.log_scales["image"].fill_(9.0)
    value = loss.terms(batch)["contrastive"]
    assert loss.log_scales["image"].item() == pytest.approx(log(10))
    assert torch.autograd.grad(value, list(loss.log_scales.values()))[0].isfinite()
    with pytest.raises(UsageError, match="own_temperatures: 'sound' is not among the modalities"):
        InfoNCE(own_temperatures=["sound"]).terms(batch)
