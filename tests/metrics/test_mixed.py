import math
from collections.abc import Callable

import pytest
import torch
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics import mixed_graded
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.mixed_balanced import balanced_estimates, balanced_search
from closegap.metrics.mixed_counterpart import (
    counterpart_estimates,
    counterpart_ranks,
    expected_own_share,
    own_modality_share,
)
from closegap.metrics.mixed_graded import graded_estimates, graded_search, ndcg
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.relevance import concept_relevance, label_relevance
from closegap.metrics.retrieval import recall_at_k

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


def rows(embeddings: Tensor, cases: Tensor) -> Rows:
    return Rows(embeddings, cases, cases, torch.arange(len(cases)))


@pytest.mark.parametrize("seed", range(4))
def test_counterpart_as_sorted_lists(draw: Draw, seed: int) -> None:
    x, y, x_cases, y_cases = draw(seed)
    left, right = rows(x, x_cases), rows(y, y_cases)
    found = counterpart_ranks(left, right)
    shares = own_modality_share(left, right, k=4)
    index = [*x.tolist(), *y.tolist()]
    best = {}
    for row, query in enumerate(y.tolist()):
        ranking = reference.ranking(query, index, skip=len(x) + row)
        assert float(shares[row]) == sum(item >= len(x) for item in ranking[:4]) / 4
        wanted = {item for item, case in enumerate(x_cases.tolist()) if case == int(y_cases[row])}
        if wanted:
            # Positives do not stand in each other's way.
            best[row] = 1 + next(place for place, item in enumerate(ranking) if item in wanted)
    assert dict(zip(found.queries.tolist(), found.best.tolist(), strict=True)) == best


def test_a_gap_hides_the_counterpart_and_demoting_the_own_modality_games_it() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(60, 16, generator=generator)
    x, y = normalize(common, dim=1), normalize(common + 0.3 * torch.randn(60, 16, generator=generator), dim=1)
    axis = torch.zeros(60, 1)
    apart = normalize(torch.cat([x, axis + 2], dim=1), dim=1), normalize(torch.cat([y, axis - 2], dim=1), dim=1)
    cases = torch.arange(60)
    together = rows(x, cases), rows(y, cases)
    parted = rows(apart[0], cases), rows(apart[1], cases)
    assert float(recall_at_k(counterpart_ranks(*together), 1)) > 0.9
    assert float(recall_at_k(counterpart_ranks(*parted), 10)) == 0
    assert float(own_modality_share(*parted).mean()) == 1
    assert float(recall_at_k(retrieval_ranks(apart[1], apart[0]), 1)) > 0.9
    assert abs(float(own_modality_share(*together).mean()) - expected_own_share(60, 60)) < 0.05
    assert expected_own_share(3, 3) == 0.4


def test_counterpart_estimates(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(5)
    left, right = rows(x, x_cases), rows(y, y_cases)
    found = counterpart_estimates(left, right, resample_counts(9, 30))
    ranks = counterpart_ranks(left, right)
    assert found["R@1"].value == pytest.approx(float(recall_at_k(ranks, 1)))
    assert found["own_modality_share"].value == pytest.approx(
        float(own_modality_share(left, right)[ranks.queries].mean())
    )
    assert found["expected_own_share"].value == pytest.approx(16 / 28)
    assert found["expected_own_share"].low is None
    with pytest.raises(UsageError, match="no query has a positive"):
        counterpart_estimates(rows(x, x_cases), rows(y, y_cases + 20), resample_counts(40, 3))


def test_balanced_index_holds_each_case_once() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y, z = normalize(torch.randn(3, 200, 8, generator=generator), dim=2)
    case = torch.arange(200)
    # Cases 0-9 lack x, 190-199 lack y; all have a view.
    search = balanced_search(rows(x[10:], case[10:]), rows(y[:190], case[:190]), rows(z, case))
    assert search.ranks.gallery == 180
    assert search.ranks.queries.tolist() == list(range(10, 190))
    assert 60 <= int(search.stored_as_x.sum()) <= 120
    index = torch.where(search.stored_as_x[:, None], x[10:190], y[10:190])
    ordered = torch.cat([index[search.stored_as_x], index[~search.stored_as_x]])
    cases = torch.cat([case[10:190][search.stored_as_x], case[10:190][~search.stored_as_x]])
    assert search.ranks.best.tolist() == retrieval_ranks(z[10:190], ordered, Pairs(case[10:190], cases)).best.tolist()


def test_coins_depend_on_the_case_and_the_seed_alone() -> None:
    x, y, z = normalize(torch.randn(3, 50, 8, generator=torch.Generator().manual_seed(0)), dim=2)
    case = torch.arange(50)
    first = balanced_search(rows(x, case), rows(y, case), rows(z, case), seed=3)
    other = balanced_search(rows(y, case), rows(z, case), rows(x, case), seed=3)
    assert torch.equal(first.stored_as_x, other.stored_as_x)
    assert not torch.equal(
        first.stored_as_x, balanced_search(rows(x, case), rows(y, case), rows(z, case), 4).stored_as_x
    )


def test_a_gap_tilts_the_balanced_index() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(300, 16, generator=generator)
    x, y, z = normalize(common + 0.8 * torch.randn(3, 300, 16, generator=generator), dim=2)
    case = torch.arange(300)
    counts = resample_counts(300, 200)
    level = balanced_estimates(rows(x, case), rows(y, case), rows(z, case), counts)
    offset = torch.eye(16)[0]
    tilted = balanced_estimates(
        rows(normalize(x + offset, dim=1), case),
        rows(normalize(y - offset, dim=1), case),
        rows(normalize(z - offset, dim=1), case),
        counts,
    )
    low, high = level["modality_difference"].low, level["modality_difference"].high
    assert low is not None
    assert high is not None
    assert low <= 0 <= high
    tilt = tilted["modality_difference"].high
    assert tilt is not None
    assert tilt < -0.3
    assert tilted["R@10"].value < level["R@10"].value
    assert set(level) == {"R@1", "R@5", "R@10", "median_rank", "mrr", "map", "modality_difference"}


def test_balanced_errors() -> None:
    one = rows(torch.eye(2)[:1], torch.tensor([0]))
    other = rows(torch.eye(2)[1:], torch.tensor([1]))
    with pytest.raises(UsageError, match="cases with both modalities and a further view"):
        balanced_search(one, other, one)
    with pytest.raises(UsageError, match="one modality only"):
        balanced_estimates(one, one, one, resample_counts(1, 3))


def test_ndcg_by_hand() -> None:
    # Found 1/2, 0, 1: 1/2 + 1/2 = 1. Ideal 1, 1, 1/2: 1 + 1/log2(3) + 1/4.
    found, ideal = torch.tensor([[0.5, 0.0, 1.0]]), torch.tensor([[1.0, 1.0, 0.5]])
    assert float(ndcg(found, ideal)) == pytest.approx(1 / (1 + 1 / math.log2(3) + 0.25))
    assert float(ndcg(ideal, ideal)) == 1
    assert bool(ndcg(torch.zeros(1, 3), torch.zeros(1, 3)).isnan())


def test_relevance() -> None:
    concepts = [("a", "b"), ("b", "c", "b"), (), ("a", "b")]
    grades = concept_relevance(concepts)(torch.tensor([3, 2, 1]), torch.arange(4))
    expected = [[reference.jaccard(concepts[q], concepts[i]) for i in range(4)] for q in (3, 2, 1)]
    assert grades.flatten().tolist() == pytest.approx([grade for row in expected for grade in row])
    assert concept_relevance([(), ()])(torch.arange(2), torch.arange(2)).tolist() == [[0, 0], [0, 0]]
    labels = label_relevance(["mri", "", "ct", "mri", ""])(torch.tensor([0, 1]), torch.arange(5))
    assert labels.tolist() == [[1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("grades_at_once", [1, 100, 10_000])
def test_graded_as_sorted_lists(draw: Draw, monkeypatch: pytest.MonkeyPatch, grades_at_once: int) -> None:
    monkeypatch.setattr(mixed_graded, "_GRADES_AT_ONCE", grades_at_once)
    x, y, x_cases, y_cases = draw(2)
    concepts = [("a",), ("a", "b"), ("b", "c"), (), ("d",), ("a", "b", "c"), ("c",), ("c", "a"), ("e", "f")]
    # Row numbers of the set: one row per case here.
    left, right = Rows(x, x_cases, x_cases, x_cases), Rows(y, y_cases, y_cases, y_cases)
    search = graded_search(left, right, concept_relevance(concepts), k=5)
    index, cases = [*x.tolist(), *y.tolist()], [*x_cases.tolist(), *y_cases.tolist()]
    for row, query in enumerate(index):
        grades = [reference.jaccard(concepts[cases[row]], concepts[case]) for case in cases]
        others = [grade for item, grade in enumerate(grades) if item != row]
        if not any(others):
            assert math.isnan(float(search.ndcg[row]))
            continue
        order = [grades[item] for item in reference.ranking(query, index, skip=row)]
        assert float(search.ndcg[row]) == pytest.approx(reference.ndcg(order, others, 5), abs=1e-6)
        average = [sum(others) / len(others)] * 5
        assert float(search.chance[row]) == pytest.approx(reference.ndcg(average, others, 5), abs=1e-6)


def test_graded_estimates(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(3)
    labels = ["p", "p", "q", "", "q", "p", "q", "r", ""]
    left, right = Rows(x, x_cases, x_cases, x_cases), Rows(y, y_cases, y_cases, y_cases)
    found = graded_estimates(left, right, label_relevance(labels), resample_counts(9, 40))
    search = graded_search(left, right, label_relevance(labels))
    assert found["ndcg@10"].value == pytest.approx(float(search.ndcg.nanmean()))
    assert found["ndcg@10_x"].value == pytest.approx(float(search.ndcg[: len(x)].nanmean()))
    assert found["ndcg@10_y"].value == pytest.approx(float(search.ndcg[len(x) :].nanmean()))
    assert found["ndcg@10_chance"].value == pytest.approx(float(search.chance.nanmean()))
    with pytest.raises(UsageError, match="share a label or concepts"):
        graded_estimates(left, right, label_relevance([""] * 9), resample_counts(9, 4))


def test_perfect_clusters_have_ndcg_1() -> None:
    cases = torch.arange(12)
    directions = torch.eye(3)[cases % 3]
    side = Rows(directions, cases, cases, cases)
    found = graded_search(side, side, label_relevance([str(int(case) % 3) for case in cases]), k=7)
    assert found.ndcg.tolist() == pytest.approx([1.0] * 24)
