"""Canonical alignment against its definition, its choice of settings, and what it refuses."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.posthoc import Canonical
from closegap.posthoc.base.correlations import Correlations
from closegap.posthoc.base.held_out import Trial, coins_of, folds_of, held_out_cases, mean_reciprocal_rank
from closegap.posthoc.base.products import products, products_by_fold, summed
from closegap.testing import check_posthoc

WIDTHS = {"image": 6, "text": 4, "record": 5}


def make(
    n: int = 300, modalities: tuple[str, ...] = ("image", "text"), seed: int = 0, noise: float = 0.5
) -> EmbeddingSet:
    """Modalities of different width that share three factors, in cones of their own; all but the first lack some."""
    world, split = torch.Generator().manual_seed(7), torch.Generator().manual_seed(seed)
    factors = torch.randn(n, 3, generator=split, dtype=torch.float64)
    rows, present = {}, {}
    for name in modalities:
        drawn = torch.randn(4, WIDTHS[name], generator=world, dtype=torch.float64)
        mixing, place = drawn[:3], drawn[3:]
        own = torch.randn(n, WIDTHS[name], generator=split, dtype=torch.float64)
        rows[name] = normalize(factors @ mixing + noise * own + 2 * place, dim=1)
        if len(modalities) > 2 and name != modalities[0]:
            present[name] = torch.rand(n, generator=split) > 0.2
    return EmbeddingSet(
        rows, [f"{seed}-{row}" for row in range(n)], present, groups=[f"g{row // 2}" for row in range(n)]
    )


def reference(train: EmbeddingSet, ridge: float) -> tuple[list[float], dict[str, np.ndarray]]:
    """Correlations and variates' maps from the generalised eigenproblem, each covariance by numpy's own hand."""
    names = train.modalities
    rows = {name: train.embeddings[name].numpy() for name in names}
    mask = {name: train.mask(name).numpy() for name in names}

    def covariance(a: str, b: str) -> np.ndarray:
        both = mask[a] & mask[b]
        x, y = rows[a][both] - rows[a][both].mean(0), rows[b][both] - rows[b][both].mean(0)
        found: np.ndarray = x.T @ y / both.sum()
        return found

    within = {name: covariance(name, name) for name in names}
    within = {name: value + ridge * np.diag(value).mean() * np.eye(len(value)) for name, value in within.items()}
    left = np.block([[within[a] if a == b else covariance(a, b) for b in names] for a in names])
    right = np.block(
        [[within[a] if a == b else np.zeros((len(within[a]), len(within[b]))) for b in names] for a in names]
    )
    values, vectors = eigh(left, right)
    k = min(len(value) for value in within.values())
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k] * len(names) ** 0.5
    ends = np.cumsum([len(within[name]) for name in names])
    maps = {name: vectors[end - len(within[name]) : end] for name, end in zip(names, ends, strict=True)}
    return ((values - 1) / (len(names) - 1)).clip(0, 1).tolist(), maps


@pytest.mark.parametrize("modalities", [("image", "text"), ("image", "text", "record")])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_directions_equal_a_naive_reference(modalities: tuple[str, ...], ridge: float) -> None:
    train = make(modalities=modalities)
    found = Correlations(products(train)).at(ridge)
    correlations, maps = reference(train, ridge)
    assert found.correlations.tolist() == pytest.approx(correlations, abs=1e-8)
    for name in modalities:
        expected = torch.from_numpy(maps[name].copy())
        signs = (expected * found.maps[name]).sum(0).sign()
        torch.testing.assert_close(found.maps[name], expected * signs, atol=1e-8, rtol=1e-8)


def test_fewer_rows_than_dimensions_share_what_the_reference_says() -> None:
    train = make(n=4, modalities=("image", "text", "record"), seed=1)
    found = Correlations(products(train)).at(0.3)
    correlations, maps = reference(train, 0.3)
    shared = sum(value > 1e-9 for value in correlations)
    assert 0 < shared < len(correlations)  # the rest of the reference's directions are anybody's
    assert found.correlations.tolist() == pytest.approx(correlations, abs=1e-8)
    for name in train.modalities:
        expected = torch.from_numpy(maps[name][:, :shared].copy())
        signs = (expected * found.maps[name][:, :shared]).sum(0).sign()
        torch.testing.assert_close(found.maps[name][:, :shared], expected * signs, atol=1e-7, rtol=1e-7)
        assert not found.maps[name][:, shared:].any()


def test_correlations_equal_those_of_scikit_learn() -> None:
    train = make()
    x, y = (train.embeddings[name].numpy() for name in train.modalities)
    u, v = CCA(3, scale=False, max_iter=5000, tol=1e-14).fit_transform(x, y)
    expected = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(3)]
    assert Correlations(products(train)).at(0).correlations[:3].tolist() == pytest.approx(expected, abs=1e-8)


def test_two_modalities_are_the_general_form_at_two(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Correlations(products(make()))
    two = found.at(0.1)
    monkeypatch.setattr(found, "_of_two", found._of_many)
    many = found.at(0.1)
    torch.testing.assert_close(two.correlations, many.correlations, atol=1e-10, rtol=0)
    for name, value in two.maps.items():
        torch.testing.assert_close(value, many.maps[name], atol=1e-8, rtol=1e-8)


def test_folds_sum_to_the_whole() -> None:
    train = make(modalities=("image", "text", "record"))
    fold = folds_of(train.groups or (), 5)
    parts = products_by_fold(train, fold, 5)
    whole, rest = summed(parts), products(train.select((fold != 2).nonzero()[:, 0]))
    for a, b in whole.counts:
        torch.testing.assert_close(whole.covariance(a, b), products(train).covariance(a, b))
        torch.testing.assert_close(whole.minus(parts[2]).covariance(a, b), rest.covariance(a, b))
    for group in set(train.groups or ()):
        assert len({int(fold[row]) for row, name in enumerate(train.groups or ()) if name == group}) == 1
    assert torch.bincount(fold).max() - torch.bincount(fold).min() <= 2


def test_a_tie_costs_half_a_place() -> None:
    scores = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [2.0, 2.0, 1.0]])
    rows, columns = 1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 2.5 + 1
    assert mean_reciprocal_rank([scores]) == pytest.approx((rows + columns) / 6)


def test_a_trial_searches_across_and_in_an_index_of_one_modality_a_case() -> None:
    x, y = (normalize(rows, dim=1) for rows in torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)))
    coins = torch.tensor([True, False, False, True, True])
    everywhere = torch.ones(5).bool()
    across, mixed = Trial({"a": everywhere, "b": everywhere}, coins).scores({"a": x, "b": y})
    torch.testing.assert_close(across, x @ y.T)
    for query in range(5):
        for item in range(5):
            asking, stored = (x if coins[query] else y)[query], (y if coins[item] else x)[item]
            torch.testing.assert_close(mixed[query, item], asking @ stored)
            other, kept = (y if coins[query] else x)[query], (x if coins[item] else y)[item]
            torch.testing.assert_close(mixed.T[query, item], other @ kept)


def cross_modal_rank(embeddings: EmbeddingSet) -> float:
    x, y = (rows.double() for rows in embeddings.embeddings.values())
    return mean_reciprocal_rank([x @ y.T])


def test_encoders_that_never_met_become_one_space() -> None:
    train, test = make(600), make(200, seed=1)
    with pytest.raises(DataError, match=r"differ in width \(image 6, text 4\), so they are not in one space"):
        _ = test.width
    moved = Canonical().fit(train).apply(test)
    assert moved.width <= 4
    chance = sum(1 / rank for rank in range(1, 201)) / 200
    assert cross_modal_rank(moved) > 10 * chance


def test_absent_rows_of_another_width_are_zeros() -> None:
    names = ("image", "text", "record")
    test = make(50, names, seed=1)
    moved = Canonical(dim=3, ridge=0.1, power=1.0).fit(make(modalities=names)).apply(test)
    for name in names:
        there = test.mask(name)
        assert not moved.embeddings[name][~there].any()
        torch.testing.assert_close(moved.embeddings[name][there].norm(dim=1), torch.ones(int(there.sum())).double())


def test_a_row_without_direction_is_refused_where_it_cannot_stay() -> None:
    fitted = Canonical(dim=2, ridge=0.1, power=1.0).fit(make())
    assert fitted.fitted is not None
    rows = torch.stack([torch.eye(6).double()[0], fitted.fitted.state["mean/image"]])
    with pytest.raises(
        DataError, match=r"1 of 2 rows of image land on the origin under Canonical.*\(the first: row 1\)"
    ):
        fitted.transform(rows, "image")


def one_space(n: int, seed: int, noise: float, spoilt: float = 0.0) -> EmbeddingSet:
    split = torch.Generator().manual_seed(seed)
    cases = torch.randn(n, 32, generator=split)
    turn = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(9)))[0]
    rows = {}
    for name in ("image", "text"):
        seen = cases + noise * torch.randn(n, 32, generator=split)
        rows[name] = normalize(seen.lerp(seen @ turn, spoilt) if name == "text" else seen, dim=1)
    return EmbeddingSet(rows, [f"{seed}-{row}" for row in range(n)])


def test_rows_that_are_best_as_they_are_stay_so() -> None:
    train, test = one_space(60, 0, noise=0.7), one_space(40, 1, noise=0.7)
    fitted = Canonical().fit(train)
    assert "leaves the rows as they are" in fitted.notes[0]
    moved = fitted.apply(test)
    for name, rows in test.embeddings.items():
        torch.testing.assert_close(moved.embeddings[name], rows)


def test_rows_that_a_map_serves_are_moved() -> None:
    train, test = one_space(800, 0, noise=0.3, spoilt=1.0), one_space(100, 1, noise=0.3, spoilt=1.0)
    fitted = Canonical().fit(train)
    assert cross_modal_rank(fitted.apply(test)) > 5 * cross_modal_rank(test)
    assert " chosen inside train (mean reciprocal rank of held-out train pairs " in fitted.notes[0]


def test_keeping_all_is_what_was_given_and_keeping_some_mixes_cosines() -> None:
    train, test = one_space(200, 0, noise=0.3), one_space(20, 1, noise=0.3)
    settings: dict[str, Any] = {"dim": 8, "ridge": 1.0, "power": 1.0}
    alone = Canonical(**settings, keep=0.0).fit(train)
    mixed = Canonical(**settings, keep=0.25).fit(train).apply(test)
    assert alone.fitted is not None
    centred = {
        name: normalize(rows.double() - alone.fitted.state[f"mean/{name}"], dim=1)
        for name, rows in test.embeddings.items()
    }

    def cosines(rows: dict[str, Float[Tensor, "n d"]]) -> Tensor:
        return rows["image"].double() @ rows["text"].double().T

    expected = 0.75 * cosines(dict(alone.apply(test).embeddings)) + 0.25 * cosines(centred)
    torch.testing.assert_close(cosines(dict(mixed.embeddings)), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("anchor", ["image", "text"])
def test_with_an_anchor_and_all_variates_it_is_the_regression_at_the_anchors_variance(
    ridge: float, anchor: str
) -> None:
    train, test = make(), make(20, seed=1)
    other = "text" if anchor == "image" else "image"
    found = Canonical(dim=4, ridge=ridge, power=1.0, keep=0.0, anchor=anchor).fit(train).apply(test)
    torch.testing.assert_close(found.embeddings[anchor], test.embeddings[anchor])
    x, y = train.embeddings[other].numpy(), train.embeddings[anchor].numpy()
    centred = x - x.mean(0)
    within = centred.T @ centred / len(x)
    within += ridge * np.diag(within).mean() * np.eye(len(within))
    slope = np.linalg.solve(within, centred.T @ (y - y.mean(0)) / len(x))
    slope *= (y.var(0).sum() / (centred @ slope).var(0).sum()) ** 0.5
    expected = y.mean(0) + (test.embeddings[other].numpy() - x.mean(0)) @ slope
    np.testing.assert_allclose(
        found.embeddings[other].numpy(), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-8
    )


def test_at_power_0_without_ridge_the_moved_rows_have_the_anchors_covariance() -> None:
    train = one_space(200, 0, noise=0.3)
    method = Canonical(dim=32, ridge=0.0, power=0.0, keep=0.0, anchor="text").fit(train)
    assert method.fitted is not None
    moved = method.move(train.embeddings["image"].double(), "image", method.fitted.state)
    torch.testing.assert_close(torch.cov(moved.T), torch.cov(train.embeddings["text"].double().T))
    torch.testing.assert_close(moved.mean(0), train.embeddings["text"].double().mean(0))


def test_settings_are_chosen_by_what_the_anchor_finds() -> None:
    train, test = make(600), make(200, seed=1)
    fitted = Canonical(anchor="text").fit(train)
    moved = fitted.apply(test)
    assert moved.width == 4
    chance = sum(1 / rank for rank in range(1, 201)) / 200
    assert cross_modal_rank(moved) > 10 * chance
    kept = Canonical(anchor="text").fit(one_space(60, 0, noise=0.7))
    assert kept.notes[0].startswith("canonical: leaves the rows as they are, chosen inside train")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 5}, "dim 5: expected at most 4, the smallest width"),
        ({"keep": 0.5}, r"keep 0\.5: expected 0, since the modalities differ in width \(image 6, text 4\)"),
    ],
)
def test_settings_that_the_rows_do_not_allow_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Canonical(**settings).fit(make())


def test_anchors_that_the_rows_do_not_allow_are_refused() -> None:
    with pytest.raises(DataError, match="anchor 'text': 3 modalities; with an anchor, canonical takes two"):
        Canonical(anchor="text").fit(make(modalities=("image", "text", "record")))
    with pytest.raises(DataError, match=r"keep 0\.5: expected 0 or 1 with an anchor, whose rows stay as they are"):
        Canonical(anchor="text", keep=0.5).fit(one_space(40, 0, noise=0.3))
    with pytest.raises(UsageError, match="anchor 'words'; expected one of image, text"):
        Canonical(anchor="words").fit(make(40))


def test_sets_that_say_nothing_are_refused() -> None:
    train = make(40)
    apart = torch.arange(40) % 2 == 0
    with pytest.raises(DataError, match="no two rows have two modalities; canonical alignment needs true pairs"):
        Canonical().fit(replace(train, present={"image": apart, "text": ~apart}))
    with pytest.raises(DataError, match="too few groups of rows that have two modalities to choose settings by"):
        Canonical().fit(replace(train, groups=["one"] * 40))
    flat = {name: rows[:1].expand(40, -1) for name, rows in train.embeddings.items()}
    with pytest.raises(DataError, match="the covariance of image cannot be inverted"):
        Canonical().fit(replace(train, embeddings=flat))


def test_held_out_cases_are_one_row_each_and_bounded() -> None:
    train = make(60)
    doubled = replace(train, ids=[f"case {row // 2}" for row in range(60)])
    rows = held_out_cases(doubled, torch.zeros(60, dtype=torch.long), 0, 20)
    assert len(rows) == 20 == len({doubled.ids[row] for row in rows.tolist()})
    assert 5 < int(coins_of([str(case) for case in range(40)]).sum()) < 35


@pytest.mark.parametrize(
    "method", [Canonical(), Canonical(keep=0.0), Canonical(dim=4, ridge=0.1, power=1.0, keep=0.5)], ids=repr
)
def test_it_keeps_the_contract(method: Canonical) -> None:
    check_posthoc(method)


@pytest.mark.parametrize("keep", [None, 0.0])
def test_it_keeps_the_contract_with_an_anchor(keep: float | None) -> None:
    check_posthoc(Canonical(anchor="text", keep=keep), modalities=("image", "text"))


def test_directions_do_not_hang_on_the_algorithm_that_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick one does not converge on some matrices of fewer rows than dimensions; the slow one stands in."""
    found = Correlations(products(make(40))).at(0.3)

    def refuses(*_: object, **__: object) -> None:
        raise torch.linalg.LinAlgError("the algorithm failed to converge")  # type: ignore[attr-defined]

    monkeypatch.setattr(torch.linalg, "svd", refuses)
    other = Correlations(products(make(40))).at(0.3)
    torch.testing.assert_close(other.correlations, found.correlations)
    for name, value in found.maps.items():
        torch.testing.assert_close(other.maps[name], value, atol=1e-8, rtol=1e-6)
