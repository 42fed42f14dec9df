"""Align True Pairs: bounds, optimum, anchors."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses.arms import ARMS, draw

from closegap.losses import AlignToCentroid, AlignTruePairs, centroid_distance, true_pair_distance


@given(seed=st.integers(0, 2**31))
def test_bounds(seed: int) -> None:
    batch = draw(seed)
    image, report, _ = batch.embeddings.values()
    assert 0 <= true_pair_distance(image, report).item() <= 4
    assert 0 <= centroid_distance(batch.embeddings, {}).item() <= 1


def test_extremes() -> None:
    rows = torch.eye(3)
    assert true_pair_distance(rows, rows).item() == 0
    assert true_pair_distance(rows, -rows).item() == 4
    assert centroid_distance({"a": rows, "b": rows, "c": rows}, {}).item() == pytest.approx(0, abs=1e-12)
    assert centroid_distance({"a": rows, "b": -rows}, {}).item() == 1


def test_unit_vectors_give_two_minus_two_cosines() -> None:
    image, report, _ = draw(0).embeddings.values()
    torch.testing.assert_close(true_pair_distance(image, report), 2 - 2 * (image * report).sum(1).mean())


def test_the_first_modality_is_the_default_anchor() -> None:
    batch = draw(1)
    default, named = (AlignTruePairs(anchor)(batch.embeddings, {}, 0.2, 0.0)["align"] for anchor in (None, "image"))
    assert default.item() == named.item()


def test_a_held_anchor_does_not_move_and_the_others_move_as_before() -> None:
    batch = draw(2, missing=0.3)
    held = batch.gradients(ARMS["AlignTruePairs, anchor held"].build())
    free = batch.gradients(AlignTruePairs("report"))
    assert (held["report"] == 0).all()
    assert (free["report"] != 0).any()
    for name in ("image", "record"):
        torch.testing.assert_close(held[name], free[name])


def test_to_the_centroid_is_a_quarter_of_the_distance_for_two_modalities() -> None:
    batch = draw(3, m=2)
    value = AlignToCentroid()(batch.embeddings, {}, 0.2, 0.0)["align"]
    torch.testing.assert_close(4 * value, true_pair_distance(*batch.embeddings.values()))


def test_cases_with_one_modality_do_not_dilute_the_mean() -> None:
    batch = draw(4, n=2, m=2)
    first = {name: rows[:1] for name, rows in batch.embeddings.items()}
    present = {"report": torch.tensor([True, False])}
    torch.testing.assert_close(centroid_distance(batch.embeddings, present), centroid_distance(first, {}))
