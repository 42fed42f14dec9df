"""What stages compute, against definitions written a second time."""

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
from closegap.metrics.mixed_counterpart import counterpart_estimates
from closegap.metrics.mixed_matched import matched_estimates
from closegap.metrics.positives import paired, rows_of
from closegap.scores import STAGES, Offset, ScoreStage, Standardise, ZScore
from closegap.scores.base import best
from closegap.scores.base.best import best_scores
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
    assert list(chosen) == ["standardise", "offset", "zscore"]
    assert [name for name, stage in chosen.items() if stage.control] == ["offset", "zscore"]


@pytest.mark.parametrize("per_query", [False, True])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_standardised_scores_are_ordered_as_their_definition_orders_them(strength: float, per_query: bool) -> None:
    fitted_on = full_set(cases=12)
    names = fitted_on.modalities
    stage = Standardise(strength, per_query).fit(fitted_on)
    items = {}
    for name in names:
        rows = rows_of(fitted_on, name)
        items[name] = list(zip(rows.cases.tolist(), rows.embeddings.tolist(), strict=True))
    scores = torch.linspace(-0.3, 0.9, 4, dtype=torch.float64)[None]
    for query in names:
        ours = torch.cat([stage.adjusted(scores, query, target) for target in names])
        theirs = torch.tensor(
            [
                [
                    reference.standardised(score, query, target, items, strength, per_query)
                    for score in (reference.z_scores(scores[0].tolist()) if per_query else scores[0].tolist())
                ]
                for target in names
            ],
            dtype=torch.float64,
        )
        # One gain and one offset, those of the query modality, lie between them.
        unit = (ours[0, -1] - ours[0, 0]) / (theirs[0, -1] - theirs[0, 0])
        assert torch.allclose(ours, ours[0, 0] + unit * (theirs - theirs[0, 0]), atol=1e-12)
        assert float(unit) > 0


def test_at_strength_0_no_score_changes() -> None:
    stage = Standardise(strength=0.0, per_query=False).fit(full_set())
    scores = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(stage.adjusted(scores, "image", "text"), scores)


def test_neither_pairs_nor_labels_are_needed() -> None:
    unpaired = apart(paired_rows=False)
    stage = Standardise().fit(unpaired)
    assert stage.fitted is not None
    assert float(stage.fitted.state["strength"]) == 1
    labelled = replace(unpaired, labels={"organ": ["lung"] * len(unpaired.ids)})
    scores = torch.linspace(-1, 1, 9)[None]
    again = Standardise(1.0, per_query=False).fit(labelled).adjusted(scores, "image", "text")
    assert torch.equal(again, stage.adjusted(scores, "image", "text"))


def test_what_merges_most_blindly_is_chosen() -> None:
    fitted_on, judged = apart(), apart(seed=1)
    stage = Standardise().fit(fitted_on)
    assert stage.fitted is not None
    chosen = (float(stage.fitted.state["strength"]), bool(stage.fitted.state["per_query"]))
    x, y = paired(*(rows_of(fitted_on, name) for name in fitted_on.modalities))

    def distance(strength: float, per_query: bool) -> float:
        tried = Standardise(strength, per_query).fit(fitted_on)
        found = matched_estimates(x, y, resample_counts(1, 1), stage=tried)
        share = found["own_modality_share"].value - found["expected_own_share"].value
        return max(abs(found["ratio"].value - 1) / 0.05, abs(share) / 0.03)

    distances = {(step / 5, form): distance(step / 5, form) for form in (False, True) for step in range(6)}
    assert distances[chosen] == min(distances.values())
    assert distances[0.0, False] > 10
    x, y = paired(*(rows_of(judged, name) for name in judged.modalities))
    assert matched_estimates(x, y, resample_counts(1, 1), stage=stage)["ratio"].value > 0.8


def test_a_strength_that_loses_what_is_graded_is_not_chosen() -> None:
    """What is relevant lies in the query's own modality alone, so that whatever demotes it loses."""
    found = apart()
    labels = [f"{row // 2}" for row in range(len(found.ids))]
    twins = {
        name: normalize(rows[torch.arange(len(rows)) // 2 * 2] + 0.05 * rows, dim=1)
        for name, rows in found.embeddings.items()
    }
    twins["text"] = twins["text"].roll(7, 0)  # pairs say nothing
    stage = Standardise().fit(replace(found, embeddings=twins, labels={"twin": labels}))
    assert stage.fitted is not None
    assert float(stage.fitted.state["strength"]) < 1


def test_offset_gives_the_own_modality_its_share() -> None:
    fitted_on = apart(400)
    stage = Offset().fit(fitted_on)
    x, y = (rows_of(fitted_on, name) for name in fitted_on.modalities)
    for one, other in ((x, y), (y, x)):
        found = counterpart_estimates(one, other, resample_counts(400, 1), stage=stage)
        plain = counterpart_estimates(one, other, resample_counts(400, 1))
        # The fit leaves the true counterpart out, the search has it.
        assert found["own_modality_share"].value == pytest.approx(found["expected_own_share"].value, abs=0.1)
        assert plain["own_modality_share"].value > 0.9


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
    expected = [reference.best_elsewhere(case, row, items) for case, row in items]
    for at_once in (1, 10**6):
        monkeypatch.setattr(best, "_SCORES_AT_ONCE", at_once)
        monkeypatch.setattr(best, "_QUERIES_AT_ONCE", 5)
        assert best_scores(rows, rows)[:, 0].tolist() == pytest.approx(expected)
    few: Tensor = best_scores(rows.pick(torch.arange(3)), rows.pick(torch.arange(2)), 5)
    assert few.shape == (3, 5)
    assert bool((few[:, 2:] == -torch.inf).all())
