"""Each method against its definition, its invariants and its degenerate cases."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.posthoc import (
    Center,
    MatchMoments,
    Placebo,
    PostHoc,
    Procrustes,
    ProjectOut,
    ReAlign,
    Shift,
    Whiten,
    standard_arms,
)

from .conftest import MakeSet

THREE = ("image", "caption", "concepts")


def moved(method: PostHoc, embeddings: EmbeddingSet) -> dict[str, Tensor]:
    """Rows after the method's map, before normalising."""
    assert method.fitted is not None
    state = method.fitted.state
    return {name: method.move(rows.double(), name, state) for name, rows in embeddings.embeddings.items()}


def means(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: values.double().mean(0) for name, values in rows.items()}


def test_a_shift_with_an_anchor_carries_the_others_to_its_mean(make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    before = means(train.embeddings)
    for fraction in (0.0, 0.5, 1.0):
        after = means(moved(Shift(fraction, anchor="caption").fit(train), train))
        torch.testing.assert_close(after["caption"], before["caption"])
        for other in ("image", "concepts"):
            expected = before[other] + fraction * (before["caption"] - before[other])
            torch.testing.assert_close(after[other], expected)
    with pytest.raises(UsageError, match="anchor 'text'; expected one of image, caption, concepts"):
        Shift(anchor="text").fit(train)


def test_shift_closes_the_fraction_it_is_asked_for(make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    before = means(train.embeddings)
    for fraction in (0.0, 0.25, 1.0):
        after = means(moved(Shift(fraction).fit(train), train))
        for a in THREE:
            for b in THREE:
                torch.testing.assert_close(after[a] - after[b], (1 - fraction) * (before[a] - before[b]))
            common = torch.stack(list(before.values())).mean(0)
            torch.testing.assert_close(after[a], before[a] - fraction * (before[a] - common))


def test_shift_equals_the_authors_for_two_modalities(make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    x, y = test.embeddings["image"], test.embeddings["caption"]
    gap = train.embeddings["image"].mean(0) - train.embeddings["caption"].mean(0)

    result = Shift(0.6).fit(train).apply(test)

    torch.testing.assert_close(result.embeddings["image"], normalize(x - 0.3 * gap, dim=1))
    torch.testing.assert_close(result.embeddings["caption"], normalize(y + 0.3 * gap, dim=1))


def test_shift_by_nothing_changes_nothing(make_set: MakeSet) -> None:
    test = make_set(n=10, seed=1, prefix="test", dtype=torch.float32)
    result = Shift(0.0).fit(make_set(dtype=torch.float32)).apply(test)
    for name, rows in test.embeddings.items():
        torch.testing.assert_close(result.embeddings[name], rows)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_shift_refuses_other_fractions(fraction: float) -> None:
    with pytest.raises(UsageError, match=r"Shift\.fraction: .* given, expected a number from 0 to 1"):
        Shift(fraction)


def test_center_equals_its_definition(make_set: MakeSet) -> None:
    train, test = make_set(modalities=THREE), make_set(n=10, modalities=THREE, seed=1, prefix="test")
    method = Center().fit(train)
    result = method.apply(test)
    for name, rows in test.embeddings.items():
        expected = torch.stack([(row - train.embeddings[name].mean(0)) for row in rows])
        torch.testing.assert_close(result.embeddings[name], expected / expected.norm(dim=1, keepdim=True))
    for center in means(moved(method, train)).values():
        torch.testing.assert_close(center, torch.zeros(8, dtype=torch.float64))


def test_realign_equals_its_definition(make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    a, m = train.embeddings["image"], train.embeddings["caption"]
    scale = ((a - a.mean(0)).square().sum(1).mean() / (m - m.mean(0)).square().sum(1).mean()).sqrt()

    def first(rows: Tensor) -> Tensor:
        return normalize(a.mean(0) + scale * (rows - m.mean(0)), dim=1)

    result = ReAlign().fit(train).apply(test)

    torch.testing.assert_close(result.embeddings["image"], test.embeddings["image"])
    expected = normalize(first(test.embeddings["caption"]) - first(m).mean(0) + a.mean(0), dim=1)
    torch.testing.assert_close(result.embeddings["caption"], expected)


def test_realign_puts_every_mean_on_the_anchors(make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    after = means(moved(ReAlign(anchor="concepts").fit(train), train))
    for name in THREE:
        torch.testing.assert_close(after[name], train.embeddings["concepts"].mean(0))


@pytest.mark.parametrize("method", [ReAlign, MatchMoments])
def test_a_scale_needs_rows_that_vary(method: type[ReAlign] | type[MatchMoments], make_set: MakeSet) -> None:
    train = make_set()
    constant = train.embeddings["caption"][:1].expand(60, 8)
    with pytest.raises(DataError, match=f"all rows of caption are equal; {method.__name__} needs"):
        method().fit(replace(train, embeddings={**train.embeddings, "caption": constant}))


def test_matched_moments_equal_their_definition(make_set: MakeSet) -> None:
    train, test = make_set(modalities=THREE, absent=0.3), make_set(n=10, modalities=THREE, seed=1, prefix="test")
    result = MatchMoments(anchor="caption").fit(train).apply(test)
    there = {name: rows[train.mask(name)].numpy() for name, rows in train.embeddings.items()}
    anchor = there["caption"]
    for name, rows in test.embeddings.items():
        for row, found in zip(rows.numpy(), result.embeddings[name].numpy(), strict=True):
            expected = [
                anchor[:, d].mean() + anchor[:, d].std() / there[name][:, d].std() * (row[d] - there[name][:, d].mean())
                for d in range(8)
            ]
            np.testing.assert_allclose(found, np.array(expected) / np.linalg.norm(expected), rtol=1e-9)
    after = {name: rows[train.mask(name)] for name, rows in moved(MatchMoments().fit(train), train).items()}
    for name in THREE:
        torch.testing.assert_close(after[name].mean(0), train.embeddings["image"].mean(0))
        torch.testing.assert_close(after[name].var(0, correction=0), train.embeddings["image"].var(0, correction=0))


def test_a_dimension_without_variance_is_only_shifted(make_set: MakeSet) -> None:
    def still(embeddings: EmbeddingSet, value: float) -> EmbeddingSet:
        rows = embeddings.embeddings["caption"].clone()
        rows[:, 3] = value
        return replace(embeddings, embeddings={**embeddings.embeddings, "caption": rows})

    train = still(make_set(), 0.25)
    found = moved(MatchMoments().fit(train), still(make_set(n=10, seed=1, prefix="test"), 0.5))
    expected = train.embeddings["image"][:, 3].mean() + 0.25
    torch.testing.assert_close(found["caption"][:, 3], expected.expand(10))


@pytest.mark.parametrize("method", [ReAlign, MatchMoments, Procrustes])
def test_an_anchor_must_exist(method: type[ReAlign] | type[MatchMoments] | type[Procrustes], make_set: MakeSet) -> None:
    with pytest.raises(UsageError, match="anchor 'ehr'; expected one of image, caption"):
        method(anchor="ehr").fit(make_set())


@given(seed=st.integers(0, 200), width=st.integers(2, 6))
def test_procrustes_recovers_a_rotation(seed: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = normalize(torch.randn(5 * width, width, generator=generator, dtype=torch.float64), dim=1)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))
    train = EmbeddingSet({"image": rows, "caption": rows @ turn}, [str(row) for row in range(len(rows))])

    method = Procrustes().fit(train)

    assert method.fitted is not None
    torch.testing.assert_close(method.fitted.state["caption"], turn.T, atol=1e-7, rtol=0)
    result = method.apply(train, in_sample=True).embeddings
    torch.testing.assert_close(result["caption"], result["image"], atol=1e-7, rtol=0)


def test_procrustes_beats_other_rotations_and_keeps_cosines(make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    result = Procrustes(anchor="caption").fit(train).apply(train, in_sample=True).embeddings
    torch.testing.assert_close(result["caption"], train.embeddings["caption"])
    for name in ("image", "concepts"):
        rows = train.embeddings[name]
        torch.testing.assert_close(result[name] @ result[name].T, rows @ rows.T)
        best = (result[name] - result["caption"]).square().sum()
        for seed in range(20):
            generator = torch.Generator().manual_seed(seed)
            twist = torch.randn(8, 8, generator=generator, dtype=torch.float64) * 0.1
            other = result[name] @ torch.linalg.matrix_exp(twist - twist.T)
            assert best < (other - result["caption"]).square().sum()


def test_procrustes_with_few_pairs_leaves_the_unseen_alone() -> None:
    rows = normalize(torch.randn(3, 4, generator=torch.manual_seed(0), dtype=torch.float64), dim=1)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.manual_seed(1), dtype=torch.float64))
    zeros = torch.zeros(3, 4, dtype=torch.float64)
    image, caption = torch.cat([rows, zeros], dim=1), torch.cat([rows @ turn, zeros], dim=1)  # n = 3 < d = 8
    method = Procrustes().fit(EmbeddingSet({"image": image, "caption": caption}, ["a", "b", "c"]))

    assert method.fitted is not None
    rotation = method.fitted.state["caption"]
    identity = torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(rotation @ rotation.T, identity)
    torch.testing.assert_close(caption @ rotation, image, atol=1e-7, rtol=0)
    torch.testing.assert_close(rotation[4:], identity[4:], atol=1e-7, rtol=0)


def test_procrustes_needs_pairs(make_set: MakeSet) -> None:
    half = torch.arange(60) < 30
    with pytest.raises(DataError, match="no row has both caption and image"):
        Procrustes().fit(replace(make_set(), present={"image": half, "caption": ~half}))


def test_project_out_leaves_no_mean_difference(make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    before = means(train.embeddings)
    method = ProjectOut().fit(train)
    after = method.apply(train, in_sample=True).embeddings
    for a in THREE:
        for b in THREE:
            for rows in after.values():
                torch.testing.assert_close(rows @ (before[a] - before[b]), torch.zeros(60, dtype=torch.float64))
    assert method.fitted is not None
    assert method.fitted.state["directions"].shape == (2, 8)
    twice = moved(method, replace(train, embeddings=after))
    for name in THREE:
        torch.testing.assert_close(twice[name], after[name])


def test_project_out_equals_its_definition_for_two(make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    gap = train.embeddings["image"].mean(0) - train.embeddings["caption"].mean(0)
    unit = gap / gap.norm()
    result = ProjectOut().fit(train).apply(test)
    for name, rows in test.embeddings.items():
        expected = torch.stack([row - (row @ unit) * unit for row in rows])
        torch.testing.assert_close(result.embeddings[name], normalize(expected, dim=1))


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.7, 1.0])
def test_whiten_equalises_the_shrunk_covariances(shrinkage: float, make_set: MakeSet) -> None:
    train = make_set(modalities=THREE)
    method = Whiten(shrinkage).fit(train)
    assert method.fitted is not None
    shrunk = {}
    for name, rows in train.embeddings.items():
        sigma = torch.cov(rows.T, correction=0)
        identity = torch.eye(8, dtype=torch.float64)
        shrunk[name] = (1 - shrinkage) * sigma + shrinkage * sigma.trace() / 8 * identity
    common = torch.stack(list(shrunk.values())).mean(0)
    for name, sigma in shrunk.items():
        transport = method.fitted.state[f"map/{name}"]
        torch.testing.assert_close(transport.T @ sigma @ transport, common)
        torch.testing.assert_close(transport, transport.T)
        assert torch.linalg.eigvalsh(transport)[0] > 0
    for rows in moved(method, train).values():
        torch.testing.assert_close(rows.mean(0), torch.zeros(8, dtype=torch.float64))
        if shrinkage == 0:
            torch.testing.assert_close(torch.cov(rows.T, correction=0), common)


def test_whiten_moves_less_than_recolouring(make_set: MakeSet) -> None:
    train = make_set()
    method = Whiten(0.0).fit(train)
    sigmas = {name: torch.cov(rows.T, correction=0) for name, rows in train.embeddings.items()}
    common = torch.stack(list(sigmas.values())).mean(0)

    def power(matrix: Tensor, exponent: float) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        result: Tensor = (vectors * values**exponent) @ vectors.T
        return result

    for name, rows in moved(method, train).items():
        centred = train.embeddings[name] - train.embeddings[name].mean(0)
        coral = centred @ power(sigmas[name], -0.5) @ power(common, 0.5)
        assert (rows - centred).square().sum() < (coral - centred).square().sum()


def test_whiten_at_equal_covariances_is_center(make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    place = torch.randn(8, generator=torch.manual_seed(0), dtype=torch.float64)
    image = train.embeddings["image"]
    train = replace(train, embeddings={"image": image, "caption": image + place})
    whitened, centred = Whiten().fit(train).apply(test), Center().fit(train).apply(test)
    for name in test.modalities:
        torch.testing.assert_close(whitened.embeddings[name], centred.embeddings[name])


def test_whiten_with_fewer_rows_than_dimensions(make_set: MakeSet) -> None:
    train = make_set(n=5, width=8)
    with pytest.raises(DataError, match="covariance of image cannot be inverted"):
        Whiten(0.0).fit(train)
    with pytest.raises(DataError, match="covariance of image cannot be inverted"):
        Whiten().fit(make_set(n=1))
    result = Whiten().fit(train).apply(make_set(n=4, seed=1, prefix="test"))
    assert all(rows.isfinite().all() for rows in result.embeddings.values())


@pytest.mark.parametrize("shrinkage", [-0.1, 1.5])
def test_whiten_refuses_other_shrinkages(shrinkage: float) -> None:
    with pytest.raises(UsageError, match=r"Whiten\.shrinkage: .* given, expected a number from 0 to 1"):
        Whiten(shrinkage)


@given(seed=st.integers(0, 500))
def test_placebo_moves_as_far_as_the_shift_elsewhere(seed: int) -> None:
    generator = torch.Generator().manual_seed(7)
    rows = {name: torch.randn(20, 12, generator=generator, dtype=torch.float64) for name in THREE}
    train = EmbeddingSet(rows, [str(row) for row in range(20)])

    placebo, shift = Placebo(seed).fit(train).fitted, Shift().fit(train).fitted

    assert placebo is not None
    assert shift is not None
    fake = torch.stack([placebo.state[name] for name in THREE])
    real = torch.stack([shift.state[name] for name in THREE])
    torch.testing.assert_close(fake @ fake.T, real @ real.T)  # the same lengths and angles
    torch.testing.assert_close(fake.sum(0), torch.zeros(12, dtype=torch.float64))
    assert not torch.allclose(fake, real)


def test_placebo_is_seeded_and_subtracts_the_gaps_length(make_set: MakeSet) -> None:
    train = make_set()
    one, same, other = Placebo(1).fit(train), Placebo(1).fit(train), Placebo(2).fit(train)
    before, after = means(train.embeddings), means(moved(one, train))
    change = (after["image"] - after["caption"]) - (before["image"] - before["caption"])
    torch.testing.assert_close(change.norm(), (before["image"] - before["caption"]).norm())
    assert torch.equal(moved(one, train)["image"], moved(same, train)["image"])
    assert not torch.allclose(moved(one, train)["image"], moved(other, train)["image"])


@pytest.mark.parametrize("arm", ["shift", "realign", "match_moments", "procrustes", "project_out", "placebo"])
def test_no_gap_no_change(arm: str, make_set: MakeSet) -> None:
    def closed(embeddings: EmbeddingSet) -> EmbeddingSet:
        return replace(embeddings, embeddings=dict.fromkeys(THREE, embeddings.embeddings["image"]))

    test = closed(make_set(n=10, seed=1, prefix="test"))
    result = standard_arms()[arm].fit(closed(make_set())).apply(test)
    for name in THREE:
        torch.testing.assert_close(result.embeddings[name], test.embeddings[name], atol=1e-7, rtol=0)


@pytest.mark.parametrize("arm", ["shift", "center", "procrustes", "project_out", "placebo"])
def test_one_row_is_enough_where_no_variance_is_needed(arm: str, make_set: MakeSet) -> None:
    result = standard_arms()[arm].fit(make_set(n=1)).apply(make_set(n=10, seed=1, prefix="test"))
    for rows in result.embeddings.values():
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(10, dtype=torch.float64))


@pytest.mark.parametrize("arm", ["shift", "center", "realign", "match_moments", "project_out", "whiten"])
def test_the_gap_of_another_split_closes(arm: str, make_set: MakeSet) -> None:
    train, test = make_set(n=400), make_set(n=400, seed=1, prefix="test")

    def gap(embeddings: EmbeddingSet) -> float:
        after = means(embeddings.embeddings)
        return float((after["image"] - after["caption"]).norm())

    assert gap(standard_arms()[arm].fit(train).apply(test)) < 0.3 * gap(test)
    assert gap(Placebo().fit(train).apply(test)) > 0.5 * gap(test)
