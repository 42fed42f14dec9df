"""Centroids and their uniformity: bounds, optimum, presence, groups, the paper's variant."""

from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses.arms import draw
from torch.nn.functional import normalize

from closegap.losses import CentroidUniformity, centroid_uniformity, centroids, cross_uniformity, uniformity


def simplex(n: int) -> torch.Tensor:
    """n unit vectors, as far from each other as they can be."""
    corners = torch.eye(n, dtype=torch.float64)
    return normalize(corners - corners.mean(0), dim=1)


@given(seed=st.integers(0, 2**31), missing=st.sampled_from([0.0, 0.5]))
def test_bounds(seed: int, missing: float) -> None:
    batch = draw(seed, missing=missing)
    assert -8 < centroid_uniformity(batch.embeddings, batch.present).item() <= 1e-12
    assert centroid_uniformity(batch.embeddings, batch.present, paper=True).item() <= log(6)


@given(seed=st.integers(0, 2**31))
def test_nothing_is_more_uniform_than_a_simplex(seed: int) -> None:
    best = uniformity(simplex(6)).item()
    assert best == pytest.approx(-4 * 6 / 5)  # squared distances of 2n / (n - 1)
    assert uniformity(draw(seed, n=6, d=6).embeddings["image"]).item() > best


def test_zero_where_all_coincide() -> None:
    rows = torch.ones(4, 1)
    assert uniformity(rows).item() == pytest.approx(0, abs=1e-6)
    assert cross_uniformity(rows, rows).item() == pytest.approx(0, abs=1e-6)


def test_paper_and_code_differ_by_the_normaliser_where_embeddings_agree() -> None:
    rows = draw(0).embeddings["image"]
    aligned = {"image": rows, "report": rows}
    code, paper = (centroid_uniformity(aligned, {}, paper=paper) for paper in (False, True))
    torch.testing.assert_close(paper, code + log(6))


def test_the_paper_keeps_the_lengths_of_centroids() -> None:
    batch = draw(1)
    value = CentroidUniformity(paper=True)(batch.embeddings, {}, 0.2, 0.0)["uniformity"]
    torch.testing.assert_close(value, uniformity(centroids(batch.embeddings, {})) + log(6))


def test_centroids_are_means_of_what_is_present() -> None:
    image, report = torch.tensor([[1.0, 0], [1, 0], [5, 5]]), torch.tensor([[0.0, 1], [7, 7], [9, 9]])
    present = {"image": torch.tensor([True, True, False]), "report": torch.tensor([True, False, False])}
    found = centroids({"image": image, "report": report}, present)
    assert found.tolist() == [[0.5, 0.5], [1, 0], [0, 0]]


def test_a_case_with_one_modality_counts_and_one_with_none_does_not() -> None:
    image, report = torch.eye(3), torch.eye(3)
    one = {"report": torch.tensor([True, True, False])}
    none = one | {"image": torch.tensor([True, True, False])}
    batch = {"image": image, "report": report}
    assert centroid_uniformity(batch, one).item() == pytest.approx(-4)
    assert centroid_uniformity(batch, none).item() == pytest.approx(-4)
    gradient = torch.autograd.grad(centroid_uniformity({**batch, "image": image.requires_grad_()}, one), image)[0]
    assert (gradient[2] != 0).any()


def test_pairs_of_a_group_are_left_out() -> None:
    rows = normalize(torch.tensor([[1.0, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 0, 1]]), dim=1)
    distances = torch.cdist(rows, rows).square()
    kept = [(i, j) for i in range(4) for j in range(i) if (j, i) != (0, 1)]
    expected = log(sum(exp(-2 * distances[i, j].item()) for i, j in kept) / 5)
    assert uniformity(rows, groups=torch.tensor([0, 0, 1, 2])).item() == pytest.approx(expected, rel=1e-5)


def test_opposite_embeddings_have_a_bounded_gradient() -> None:
    rows = draw(2, n=4).embeddings["image"].detach().float().requires_grad_()
    rounded = -rows * (1 + 1e-7)
    gradient = torch.autograd.grad(centroid_uniformity({"image": rows, "report": rounded}, {}), rows)[0]
    assert gradient.abs().max() < 1e7
