import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closegap.report.sections.projections import gap_plane, pca_plane, tsne


def points(seed: int, modalities: int = 2, n: int = 30, d: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = {f"m{i}": rng.normal(size=(n + i, d)) + rng.normal(size=d) for i in range(modalities)}
    return {name: values / np.linalg.norm(values, axis=1, keepdims=True) for name, values in rows.items()}


def test_pca_is_that_of_the_pooled_covariance() -> None:
    given_points = points(0)
    pooled = np.concatenate(list(given_points.values()))
    values, vectors = np.linalg.eigh(np.cov(pooled.T, bias=True))
    plane = pca_plane(given_points)
    assert np.allclose(np.abs(plane.axes @ vectors[:, [-1, -2]]), np.eye(2), atol=1e-8)
    assert plane.variance == pytest.approx((values[-1] / values.sum(), values[-2] / values.sum()))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_planes_are_orthonormal_and_show_at_most_the_gap(seed: int, modalities: int) -> None:
    given_points = points(seed, modalities)
    for plane in (pca_plane(given_points), gap_plane(given_points)):
        assert np.allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-9)
        assert plane.gap_shown <= plane.gap + 1e-9
        assert plane.means["m0"][0] <= 1e-9
        assert sum(plane.variance) <= 1 + 1e-9
        for name, rows in given_points.items():
            assert np.allclose(plane.project(rows).mean(axis=0), plane.means[name])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 3))
def test_gap_plane_shows_the_whole_gap_of_up_to_three_modalities(seed: int, modalities: int) -> None:
    plane = gap_plane(points(seed, modalities))
    assert plane.gap_shown == pytest.approx(plane.gap)


def test_gap_plane_of_two_modalities_lies_along_the_mean_difference() -> None:
    given_points = points(3)
    plane = gap_plane(given_points)
    difference = given_points["m1"].mean(axis=0) - given_points["m0"].mean(axis=0)
    assert np.allclose(plane.axes[0], difference / np.linalg.norm(difference))
    assert plane.means["m1"][1] - plane.means["m0"][1] == pytest.approx(0)
    assert plane.gap == pytest.approx(np.linalg.norm(difference))


def test_degenerate_points_have_a_plane() -> None:
    same = np.tile([[1.0, 0.0, 0.0]], (5, 1))
    for plane in (pca_plane({"a": same, "b": same}), gap_plane({"a": same, "b": same})):
        assert np.allclose(plane.project(same), 0)
        assert (plane.gap, plane.gap_shown) == (0.0, 0.0)
    one = {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]])}
    assert gap_plane(one).gap_shown == pytest.approx(2**0.5)


def test_one_dimension() -> None:
    plane = pca_plane({"a": np.array([[1.0], [1.0]]), "b": np.array([[-1.0], [-1.0]])})
    assert np.allclose(plane.project(np.array([[1.0], [-1.0]])), [[-1, 0], [1, 0]])


def test_tsne_is_seeded_and_scaled() -> None:
    given_points = points(0, n=20)
    first, second = tsne(given_points, seed=1), tsne(given_points, seed=1)
    assert {name: rows.shape for name, rows in first.items()} == {"m0": (20, 2), "m1": (21, 2)}
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert max(np.abs(rows).max() for rows in first.values()) == pytest.approx(1)


def test_tsne_of_too_few_points() -> None:
    assert np.array_equal(tsne({"a": np.eye(2)[:1], "b": np.eye(2)[1:]})["b"], np.zeros((1, 2)))
