"""The baselines: optima, parameters and what sets them apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses.arms import TAU, draw

from closegap.losses import CyCLIP, GramVolume, InfoNCE, SigLIP, UniformityAlignment
from closegap.losses.volume import volumes


def test_siglip_learns_its_bias() -> None:
    batch = draw(0, n=30)
    loss = SigLIP(bias=-10.0)
    batch.total(loss).backward()  # type: ignore[no-untyped-call]
    assert loss.bias.grad is not None
    assert loss.bias.grad < 0  # 30 positives at a logit of about -8 outweigh 870 settled negatives


def test_weights_scale_their_terms() -> None:
    batch = draw(1)
    plain = UniformityAlignment()(batch.embeddings, {}, TAU, 0.0)
    weighted = UniformityAlignment(2.0, 3.0, 4.0)(batch.embeddings, {}, TAU, 0.0)
    factors = {name: (weighted[name] / plain[name]).item() for name in plain}
    assert factors == pytest.approx({"contrastive": 1, "align": 2, "uniformity": 3, "cross_uniformity": 4})
    plain, weighted = (CyCLIP(*weights)(batch.embeddings, {}, TAU, 0.0) for weights in ((1.0, 1.0), (2.0, 3.0)))
    factors = {name: (weighted[name] / plain[name]).item() for name in plain}
    assert factors == pytest.approx({"contrastive": 1, "cross_modal": 2, "in_modal": 3})


def test_cyclip_is_clip_where_modalities_coincide() -> None:
    rows = draw(2).embeddings["image"]
    batch = {"image": rows, "report": rows}
    found = CyCLIP()(batch, {}, TAU, 0.0)
    assert found["cross_modal"].item() == pytest.approx(0, abs=1e-28)
    assert found["in_modal"].item() == 0
    torch.testing.assert_close(found["contrastive"], InfoNCE()(batch, {}, TAU, 0.0)["contrastive"])


@given(seed=st.integers(0, 2**31), eps=st.sampled_from([1e-9, 1e-5, 1e-2]))
def test_volumes_are_roots_of_gram_determinants(seed: int, eps: float) -> None:
    image, report, record = (rows.detach() for rows in draw(seed, n=4).embeddings.values())
    found = volumes(image, torch.stack([report, record], 1), eps=eps)
    for i in range(4):
        for j in range(4):
            vectors = torch.stack([image[i], report[j], record[j]])
            determinant = torch.linalg.det(vectors @ vectors.T + eps * torch.eye(3, dtype=torch.float64))
            assert found[i, j].item() == pytest.approx(determinant.sqrt().item(), rel=1e-6)


def test_the_volume_of_two_is_the_sine() -> None:
    image, report, _ = draw(3).embeddings.values()
    sines = (1 - (image @ report.T).square()).sqrt()
    torch.testing.assert_close(volumes(image, report[:, None], eps=1e-14), sines, rtol=1e-6, atol=1e-6)


def test_an_absent_vector_leaves_the_volume_of_the_others() -> None:
    image, report, record = draw(4).embeddings.values()
    present = torch.tensor([[True, False]]).expand(7, 2)
    found = volumes(image, torch.stack([report, record], 1), present)
    torch.testing.assert_close(found, volumes(image, report[:, None]))


def test_gradients_are_finite_at_perfect_alignment_in_float32() -> None:
    rows = draw(5, n=6, d=64, dtype=torch.float32).embeddings["image"]
    batch = {"image": rows, "report": rows.detach(), "record": rows.detach()}
    value = GramVolume()(batch, {}, 0.01, 0.0)["contrastive"]
    assert torch.autograd.grad(value, rows)[0].isfinite().all()


def test_the_first_modality_is_the_default_anchor() -> None:
    batch = draw(6)
    default, named = (GramVolume(anchor)(batch.embeddings, {}, TAU, 0.0) for anchor in (None, "image"))
    assert default["contrastive"].item() == named["contrastive"].item()
