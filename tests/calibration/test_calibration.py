"""What calibrations state, against definitions written a second time, and what they promise, by simulation."""

from math import floor, inf
from pathlib import Path

import pytest
import torch
from tests.reference import calibration as reference
from torch.nn.functional import normalize

from closegap.calibration import Abstention, Calibration
from closegap.calibration.curves import at_prior, stated
from closegap.calibration.explained import explained
from closegap.embeddings import EmbeddingSet
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.metrics.cells import cells_of, middles
from closegap.metrics.positives import rows_of
from closegap.scores import Offset, Standardise, ZScore


def some_set(
    cases: int = 90, per_group: int = 1, seed: int = 0, modalities: int = 2, noise: float = 0.9
) -> EmbeddingSet:
    """Cases in two modalities or more, several to a group; labels and concepts of some of them."""
    generator = torch.Generator().manual_seed(seed)
    topics = torch.randn(cases, 12, generator=generator, dtype=torch.float64)
    views = topics + noise * torch.randn(modalities, cases, 12, generator=generator, dtype=torch.float64)
    names = ["image", "text", "record"][:modalities]
    present = {"record": torch.arange(cases) % 3 > 0} if modalities > 2 else {}
    return EmbeddingSet(
        {name: normalize(view, dim=1) for name, view in zip(names, views, strict=True)},
        [f"{seed} case {row}" for row in range(cases)],
        present,
        groups=[f"{seed} group {row // per_group}" for row in range(cases)],
        labels={"organ": ["", "lung", "heart"] * (cases // 3)},
        concepts=[(), ("a", "b"), ("b", "c")] * (cases // 3),
    )


def naive_couples(held: EmbeddingSet) -> list[list[reference.Couple]]:
    x, y = rows_of(held, "image"), rows_of(held, "text")
    scores = middles()[cells_of(x.embeddings @ y.embeddings.T)]
    return reference.couples(
        scores.tolist(), (x.cases.tolist(), y.cases.tolist()), (x.groups.tolist(), y.groups.tolist())
    )


@pytest.mark.parametrize("per_group", [1, 3])
def test_the_isotonic_curve_is_that_of_pooled_neighbours(per_group: int) -> None:
    held = some_set(per_group=per_group)
    found = [couple for row in naive_couples(held) for couple in row]
    calibration = Calibration().fit(held)
    of_pair = calibration.of_pair("image", "text")
    assert (of_pair.queries, of_pair.couples, of_pair.relevant) == (90, 90 * (90 - per_group + 1), 90)
    assert of_pair.prior == pytest.approx(1 / of_pair.candidates)
    expected = reference.pool_adjacent_violators(found)
    scores = torch.tensor(list(expected), dtype=torch.float64)
    low, high = 1 / (2 * len(found)), 1 - 1 / (2 * 90 + 2)
    bounded = torch.tensor(list(expected.values()), dtype=torch.float64).clamp(low, high)
    assert torch.allclose(calibration.probability(scores, "image", "text"), bounded, atol=1e-9)


def test_the_logistic_curve_is_at_the_optimum() -> None:
    held = some_set(per_group=2)
    slope, intercept = Calibration("logistic").fit(held).of_pair("image", "text").curve.tolist()
    found = [couple for row in naive_couples(held) for couple in row]
    assert slope > 0
    assert reference.platt_gradient(slope, intercept, found) == pytest.approx((0, 0), abs=1e-7)


def test_scores_that_say_nothing_or_the_contrary_leave_the_prior() -> None:
    held = some_set(noise=0.0)
    turned = EmbeddingSet({"image": held.embeddings["image"], "text": -held.embeddings["text"]}, held.ids)
    for method in ("logistic", "isotonic"):
        calibration = Calibration(method).fit(turned)
        found = calibration.probability(torch.tensor([-0.9, 0.0, 0.9]), "image", "text")
        assert found.tolist() == pytest.approx([1 / 90] * 3, rel=0.03)


def test_scores_that_tell_all_apart_leave_a_finite_slope() -> None:
    held = EmbeddingSet({"image": torch.eye(40), "text": torch.eye(40)}, [str(i) for i in range(40)])
    found = Calibration("logistic").fit(held).probability(torch.tensor([0.0, 1.0]), "image", "text")
    assert found.tolist() == pytest.approx([1 / 1562, 41 / 42], rel=1e-3)


def test_another_prior_multiplies_the_odds() -> None:
    assert float(at_prior(torch.tensor(0.5), 0.1, 0.01)) == pytest.approx(
        (1 * (0.01 / 0.99) / (0.1 / 0.9)) / (1 + (0.01 / 0.99) / (0.1 / 0.9))
    )
    calibration = Calibration("logistic").fit(some_set())
    score = torch.tensor(0.6)
    small, same, large = (float(calibration.probability(score, "image", "text", candidates=n)) for n in (9, 90, 900))
    assert same == pytest.approx(float(calibration.probability(score, "image", "text")))
    assert small > same > large
    odds = [p / (1 - p) for p in (small, large)]
    assert odds[0] / odds[1] == pytest.approx((1 / 8) / (1 / 899))


def test_in_a_larger_gallery_the_transferred_probability_is_what_is_found() -> None:
    fitted = Calibration("logistic").fit(some_set(cases=300, seed=1))
    held = some_set(cases=1500, seed=2)
    scores = held.embeddings["image"] @ held.embeddings["text"].T
    expected = fitted.probability(scores, "image", "text", candidates=1500)
    assert float(expected.sum()) / 1500 == pytest.approx(1, abs=0.15)
    assert float(fitted.probability(scores, "image", "text").sum()) / 1500 > 2


@pytest.mark.parametrize("kind", ["labels", "concepts"])
def test_relevance_by_labels_or_concepts_leaves_out_what_is_not_known(kind: str) -> None:
    held = some_set(cases=90)
    of_pair = Calibration(relevance=kind, at_least=0.4).fit(held).of_pair("image", "text")  # type: ignore[arg-type]
    assert (of_pair.couples, of_pair.relevant) == (60 * 60, 60 * 30)
    within = Calibration(relevance=kind, at_least=0.4).fit(held).of_pair("text", "text")  # type: ignore[arg-type]
    assert (within.couples, within.relevant) == (60 * 59, 60 * 29)
    calibration = Calibration(relevance=kind, at_least=0.4).fit(held)  # type: ignore[arg-type]
    scores = torch.tensor([0.3])
    assert torch.equal(calibration.probability(scores, "image", "text", candidates=9000), stated(of_pair.curve, scores))


def test_absent_modalities_neither_ask_nor_answer() -> None:
    held = some_set(cases=90, modalities=3)
    calibration = Calibration().fit(held)
    of_pair = calibration.of_pair("image", "record")
    assert (of_pair.queries, of_pair.couples, of_pair.relevant, len(of_pair.best)) == (90, 90 * 60, 60, 60)
    assert len(calibration.fitted or {}) == 6  # no case has two items of one modality


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 0.5])
def test_a_p_value_above_alpha_is_a_score_from_the_threshold_on(alpha: float) -> None:
    for groups in (19, 20, 29, 100):
        best = torch.randn(groups, generator=torch.Generator().manual_seed(groups), dtype=torch.float64).sort().values
        abstention = Abstention({"a|b": best})
        scores = torch.cat([best, best - 1e-6, best + 1e-6, torch.tensor([-9.0, 9.0], dtype=torch.float64)])
        inside = scores >= abstention.threshold("a", "b", alpha)
        assert torch.equal(inside, abstention.p_values(scores, "a", "b") > alpha + 1e-9)


def test_too_few_groups_leave_nothing_out() -> None:
    abstention = Abstention({"a|b": torch.arange(8, dtype=torch.float64)})
    assert abstention.threshold("a", "b", 0.1) == -inf
    assert abstention.threshold("a", "b", 0.12) == 0.0
    for alpha in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match=r"^alpha .* given, expected a number above 0, below 1$"):
            abstention.threshold("a", "b", alpha)


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_sets_cover_as_often_as_promised(alpha: float) -> None:
    """The coverage of a draw is Beta(n + 1 - k, k); the mean of 400 draws lies within 4 of its standard errors."""
    groups, draws = 47, 400
    k = floor(alpha * (groups + 1))
    generator = torch.Generator().manual_seed(3)
    covered = []
    for _ in range(draws):
        values = torch.randn(groups + 2000, generator=generator, dtype=torch.float64).exp()
        threshold = Abstention({"a|b": values[:groups].sort().values}).threshold("a", "b", alpha)
        covered.append(float((values[groups:] >= threshold).double().mean()))
    n, mean = groups + 1, 1 - k / (groups + 1)
    spread = (mean * (1 - mean) / (n + 1) + mean * (1 - mean) / 2000) ** 0.5
    assert sum(covered) / draws == pytest.approx(mean, abs=4 * spread / draws**0.5)
    assert mean >= 1 - alpha


def test_sets_of_whole_embeddings_cover_new_groups() -> None:
    alpha, covered, asked = 0.2, 0.0, 0
    for seed in range(40):
        drawn = some_set(cases=180, per_group=3, seed=seed)
        calibration = Calibration("logistic").fit(drawn.select(range(90)))
        assert len(calibration.of_pair("image", "text").best) == 30
        test = drawn.select(range(90, 180))
        own = (test.embeddings["image"] * test.embeddings["text"]).sum(1)
        covered += float((own >= calibration.threshold("image", "text", alpha)).sum())
        asked += 90
    # Of 40 draws each with Beta(25, 6): standard deviation .07, and of 90 rows .042; 4 standard errors are .052.
    assert covered / asked == pytest.approx(1 - 6 / 31, abs=0.052)


def test_modalities_are_answered_on_one_scale() -> None:
    best = torch.arange(1, 20, dtype=torch.float64) / 20
    abstention = Abstention({"text|image": best, "text|record": best - 2})
    scores = {"image": torch.tensor([0.91, 0.04]), "record": torch.tensor([-1.5, -1.02])}
    found = abstention.answers(scores, "text", 0.1)
    assert found.modalities == ("record", "image", "record")
    assert found.rows.tolist() == [1, 0, 0]
    assert found.p_values.tolist() == pytest.approx([20 / 20, 19 / 20, 11 / 20])
    assert not found.unsure
    assert abstention.answers({"image": torch.tensor([0.01, -inf])}, "text", 0.1).unsure


def test_one_query_of_each_group_calibrates() -> None:
    held = some_set(cases=90, per_group=3)
    own = (held.embeddings["image"] * held.embeddings["text"]).sum(1).reshape(30, 3)
    best = Calibration().fit(held).of_pair("image", "text").best
    of_group = torch.isclose(best[:, None, None], own)
    assert of_group.any(2).any(0).all()
    assert int(of_group.sum()) == 30


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_a_file_gives_back_what_was_fitted(tmp_path: Path, method: str) -> None:
    held, path = some_set(modalities=3), tmp_path / "calibration.safetensors"
    stage = Offset().fit(held)
    before = Calibration(method).fit(held, stage)  # type: ignore[arg-type]
    before.save(path)
    after = Calibration.load(path)
    assert isinstance(after.stage, Offset)
    assert after.settings == before.settings
    scores = torch.linspace(-1, 1, 9)
    for query, target in (("image", "text"), ("record", "image")):
        assert torch.equal(before.probability(scores, query, target), after.probability(scores, query, target))
        assert before.threshold(query, target, 0.1) == after.threshold(query, target, 0.1)
        assert explained(before, 0.4, query, target) == explained(after, 0.4, query, target)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.safetensors"
    Calibration().fit(some_set()).save(path)
    whole = path.read_bytes()
    for cut in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"calibration\.safetensors"):
            Calibration.load(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match="its content is not what was written"):
        Calibration.load(path)
    Standardise(0.5).fit(some_set()).save(path)
    with pytest.raises(DataError, match="not a calibration of this version"):
        Calibration.load(path)


def test_a_file_whose_numbers_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.safetensors"
    made = Calibration().fit(some_set())
    found = dict(made.fitted or {})
    wrong = {
        "falls": torch.tensor([[0.0, 1.0], [0.9, 0.1]], dtype=torch.float64),
        "no probability": torch.tensor([[0.0, 1.0], [0.9, 1.1]], dtype=torch.float64),
        "not finite": torch.tensor([float("nan"), 0.0], dtype=torch.float64),
    }
    for curve in wrong.values():
        key, of_pair = next(iter(found.items()))
        made.fitted = {**found, key: type(of_pair)(curve, 90, 8100, 90, of_pair.best)}
        made.save(path)
        with pytest.raises(DataError, match="cannot be used"):
            Calibration.load(path)


def test_what_cannot_be_fitted_or_asked_is_said_in_a_line() -> None:
    held = some_set()
    fitted = Calibration().fit(held)
    score = torch.tensor(0.5)
    attempts: list[tuple[str, type[ClosegapError], object]] = [
        ("not fitted; call fit", UsageError, lambda: Calibration().probability(score, "image", "text")),
        (r"queries of 19 groups, expected 20 or more", DataError, lambda: Calibration().fit(held.select(range(19)))),
        ("the set has organ", UsageError, lambda: Calibration(relevance="labels", label="age").fit(held)),
        (
            "the set has none; give",
            UsageError,
            lambda: Calibration(relevance="concepts").fit(EmbeddingSet(held.embeddings, held.ids)),
        ),
        ("image to record was not calibrated, but", DataError, lambda: fitted.probability(score, "image", "record")),
        (
            "candidates and prior given",
            UsageError,
            lambda: fitted.probability(score, "image", "text", candidates=9, prior=0.5),
        ),
        ("prior 1 given", UsageError, lambda: fitted.probability(score, "image", "text", prior=1.0)),
        ("candidates 1 given", UsageError, lambda: fitted.probability(score, "image", "text", candidates=1)),
        ("cosine 1.5 given", UsageError, lambda: explained(fitted, 1.5, "image", "text")),
        (
            "ZScore needs all scores of a query",
            UsageError,
            lambda: explained(Calibration().fit(held, ZScore().fit(held)), 0.5, "image", "text"),
        ),
    ]
    for message, kind, attempt in attempts:
        with pytest.raises(kind, match=message):
            attempt()  # type: ignore[operator]
