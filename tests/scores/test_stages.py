"""What stages compute, against definitions written a second time."""

import math
import statistics
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.reference import scores as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.mixed_balanced import first_by_coin
from closegap.metrics.mixed_matched import matched_estimates
from closegap.metrics.positives import paired, rows_of
from closegap.scores import STAGES, Offset, RankFusion, ScoreStage, Standardise, ZScore
from closegap.scores.base import best
from closegap.scores.base.best import best_scores
from closegap.scores.base.blind import Lists, lists_by_coin
from closegap.scores.base.z_scores import Spread, z_scores
from closegap.testing import check_scores
from closegap.testing.full_set import full_set


def apart(cases: int = 120, paired_rows: bool = True, seed: int = 0) -> EmbeddingSet:
    """Two modalities of the same cases that lie apart."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(cases, 16, generator=generator, dtype=torch.float64)
    image, text = common + 0.7 * torch.randn(2, cases, 16, generator=generator, dtype=torch.float64)
    axis = 4 * torch.eye(16, dtype=torch.float64)[0]
    embeddings = {"image": normalize(image + axis, dim=1), "text": normalize(text - axis, dim=1)}
    if paired_rows:
        return EmbeddingSet(embeddings, [f"case {row}" for row in range(cases)])
    halves = {name: torch.arange(cases) % 2 == place for place, name in enumerate(embeddings)}
    return EmbeddingSet(embeddings, [f"case {row}" for row in range(cases)], halves)


@pytest.mark.parametrize("name", STAGES.names())
def test_it_holds_to_what_every_stage_must(name: str) -> None:
    check_scores(STAGES.found(name)())


def test_the_stages_stand_in_the_order_of_reports() -> None:
    chosen = STAGES.chosen(["all"])
    assert list(chosen) == ["standardise", "offset", "zscore", "rank_fusion"]
    assert [name for name, stage in chosen.items() if stage.control] == ["offset", "zscore", "rank_fusion"]


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_standardised_scores_are_as_their_definition_makes_them(strength: float) -> None:
    """Z-scores in the query modality's own unit; among another modality scaled and moved by what lists_by_coin says."""
    fitted_on = apart(60)
    stage = Standardise(strength).fit(fitted_on)
    scores = torch.linspace(-0.3, 0.9, 4, dtype=torch.float64)[None]
    z = torch.tensor(reference.z_scores(scores[0].tolist()), dtype=torch.float64)[None]
    own = stage.adjusted(scores, "image", "image")
    unit = float((own / z)[0, 0])
    assert unit > 0
    assert torch.allclose(own, unit * z, atol=1e-12)
    lists = lists_by_coin(fitted_on, "image", "text", z_scores)
    spreads = [statistics.pstdev(best[:, 0].tolist()) for best in (lists.own, lists.other)]
    gain = (spreads[0] / spreads[1]) ** strength
    expected = gain * z + strength * lists.offset(gain)
    assert torch.allclose(stage.adjusted(scores, "image", "text"), unit * expected, atol=1e-9)


@pytest.mark.parametrize("by_query", [False, True])
def test_lists_are_of_archives_that_hold_each_case_once(by_query: bool) -> None:
    fitted_on = apart(30)
    lists = lists_by_coin(fitted_on, "image", "text", z_scores if by_query else None)
    own, other, expected = [], [], []
    names = sorted(fitted_on.ids)
    rows = {
        name: dict(zip(fitted_on.ids, values.tolist(), strict=True)) for name, values in fitted_on.embeddings.items()
    }
    for seed in range(5):
        tossed = dict(zip(names, first_by_coin(len(names), seed).tolist(), strict=True))
        numbered = list(enumerate(fitted_on.ids))
        images = [(number, rows["image"][name]) for number, name in numbered if tossed[name]]
        texts = [(number, rows["text"][name]) for number, name in numbered if not tossed[name]]
        for number, name in numbered:
            if not tossed[name]:
                asked = rows["image"][name]
                own.append(reference.best_elsewhere(number, asked, images, 10, by_query))
                other.append(reference.best_elsewhere(number, asked, texts, 10, by_query))
                expected.append(len(images) / (len(images) + len(texts) - 1))
    assert lists.expected == pytest.approx(statistics.mean(expected))
    for found, wanted in ((lists.own, own), (lists.other, other)):
        padded = torch.tensor([[*row, *[-torch.inf] * (10 - len(row))] for row in wanted], dtype=torch.float64)
        assert torch.allclose(found, padded, atol=1e-12)


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_an_offset_gives_the_own_modality_its_share(gain: float) -> None:
    generator = torch.Generator().manual_seed(0)
    own, other = torch.randn(2, 200, 10, generator=generator, dtype=torch.float64).sort(dim=2, descending=True).values
    for expected in (0.5, 0.2, 0.9):
        offset = Lists(own, other - 5, expected).offset(gain)
        share = reference.own_share(own.tolist(), (gain * (other - 5) + offset).tolist())
        assert share == pytest.approx(expected, abs=1e-3)


def test_lists_that_are_not_full_and_modalities_that_are_not_there_together_move_nothing_far() -> None:
    hidden = torch.full((3, 10), -torch.inf, dtype=torch.float64)
    assert Lists(hidden, hidden, 0.5).offset() == 0
    assert Lists(hidden, hidden, 0.5).gain == 1
    some = hidden.clone()
    some[:, 0] = torch.tensor([0.1, 0.2, 0.3])
    assert abs(Lists(some, some - 1, 0.5).offset() - 1) < 0.2
    assert Lists(torch.empty(0, 10), torch.empty(0, 10), 0.5).offset() == 0


def test_neither_pairs_nor_labels_are_needed() -> None:
    unpaired = apart(paired_rows=False)
    scores = torch.linspace(-1, 1, 9)[None]
    found = Standardise().fit(unpaired).adjusted(scores, "image", "text")
    labelled = replace(unpaired, labels={"organ": ["lung"] * len(unpaired.ids)})
    assert torch.equal(Standardise().fit(labelled).adjusted(scores, "image", "text"), found)


def test_what_is_standardised_merges_blindly_on_other_cases() -> None:
    fitted_on, judged = apart(400), apart(400, seed=1)
    x, y = paired(*(rows_of(judged, name) for name in judged.modalities))
    plain = matched_estimates(x, y, resample_counts(1, 1))
    found = matched_estimates(x, y, resample_counts(1, 1), stage=Standardise().fit(fitted_on))
    assert plain["ratio"].value < 0.5
    assert found["ratio"].value == pytest.approx(1, abs=0.07)
    assert found["own_modality_share"].value == pytest.approx(found["expected_own_share"].value, abs=0.05)


def test_offset_gives_the_own_modality_its_share() -> None:
    x, y = paired(*(rows_of(apart(400), name) for name in ("image", "text")))
    plain = matched_estimates(x, y, resample_counts(1, 1))
    found = matched_estimates(x, y, resample_counts(1, 1), stage=Offset().fit(apart(400)))
    assert plain["own_modality_share"].value > 0.9
    # The fit leaves the true counterpart out, the search has it.
    assert found["own_modality_share"].value == pytest.approx(found["expected_own_share"].value, abs=0.1)


def test_z_scores_of_some_targets_follow_from_moments_of_all() -> None:
    found = apart()
    queries, targets = found.embeddings["image"][:7], found.embeddings["text"]
    cosines = queries @ targets.T
    mean, outer = targets.mean(0), targets.T @ targets / len(targets)
    means = queries @ mean
    spread = Spread(means[:, None], ((queries @ outer * queries).sum(1) - means**2).sqrt()[:, None])
    assert torch.allclose(z_scores(cosines[:, :3], spread), z_scores(cosines)[:, :3], atol=1e-12)
    stage = Standardise().fit(found)
    whole = stage.adjusted(cosines, "image", "text")
    assert torch.allclose(stage.adjusted(cosines[:, :3], "image", "text", spread), whole[:, :3], atol=1e-12)


def test_z_scores_are_those_of_each_query() -> None:
    stage = ZScore().fit(apart())
    scores = torch.randn(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = stage.adjusted(scores, "image", "text")
    assert stage.fitted is not None
    unit = stage.fitted.state["image"]
    expected = (scores - scores.mean(1, keepdim=True)) / scores.std(1, keepdim=True, correction=0)
    assert torch.allclose(found, unit * expected)
    hidden = scores.clone()
    hidden[:, 0] = -torch.inf
    rest = stage.adjusted(scores[:, 1:], "image", "text")
    assert torch.allclose(stage.adjusted(hidden, "image", "text")[:, 1:], rest)


def test_lists_are_merged_by_reciprocal_rank() -> None:
    stage = RankFusion().fit(apart())
    generator = torch.Generator().manual_seed(0)
    image, text = torch.randn(30, generator=generator), 5 + torch.randn(8, generator=generator)
    merged = torch.cat([stage.adjusted(one[None], "text", name)[0] for one, name in ((image, "image"), (text, "text"))])
    found = merged.sort(descending=True, stable=True).indices.tolist()
    assert found == reference.fused({"image": image.tolist(), "text": text.tolist()})
    assert [item >= len(image) for item in found[:16]] == [False, True] * 8  # though every text scores higher
    tied = torch.tensor([[0.2, 0.5, 0.2, -torch.inf, 0.1]])
    expected = [61 / 62, 1.0, 61 / 62, -math.inf, 61 / 64]
    assert stage.adjusted(tied, "text", "image")[0].tolist() == pytest.approx(expected)


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=30), st.sampled_from(STAGES.names()))
def test_rounding_turns_no_order_round(values: list[float], name: str) -> None:
    stage = FITTED[name]
    scores = torch.tensor(values, dtype=torch.float32).sort().values[None]
    for target in ("image", "text"):
        assert bool((stage.adjusted(scores, "text", target).diff(dim=1) >= 0).all())


FITTED: dict[str, ScoreStage] = {name: STAGES.found(name)().fit(apart(40)) for name in STAGES.names()}


def test_best_scores_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(full_set(), "text")
    items = list(zip(rows.cases.tolist(), rows.embeddings.tolist(), strict=True))
    expected = [reference.best_elsewhere(case, row, items)[0] for case, row in items]
    for at_once in (1, 10**6):
        monkeypatch.setattr(best, "_SCORES_AT_ONCE", at_once)
        monkeypatch.setattr(best, "_QUERIES_AT_ONCE", 5)
        assert best_scores(rows, rows)[:, 0].tolist() == pytest.approx(expected)
    few: Tensor = best_scores(rows.pick(torch.arange(3)), rows.pick(torch.arange(2)), 5)
    assert few.shape == (3, 5)
    assert bool((few[:, 2:] == -torch.inf).all())
