"""Matched-size mixed search, re-linkage, and recall by chance, against loops over sorted lists."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.reference import scores as reference
from tests.reference.metrics import mean
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.couple import Couple
from closegap.metrics.mixed_balanced import first_by_coin
from closegap.metrics.mixed_matched import MixedMatched, matched_estimates
from closegap.metrics.positives import Pairs, Rows, paired
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.relinkage import Relinkage, relinkage_estimates
from closegap.metrics.retrieval import recall_by_chance

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


def sides(n: int = 40, gap: float = 0.6, seed: int = 0) -> tuple[Rows, Rows]:
    """Row i of both is of case i; two cases are of one group."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    x, y = common + 0.8 * torch.randn(2, n, 6, generator=generator, dtype=torch.float64)
    axis = gap * torch.eye(6, dtype=torch.float64)[0]
    cases = torch.arange(n)
    rows = (normalize(x + axis, dim=1), normalize(y - axis, dim=1))
    x_rows, y_rows = (Rows(side, cases, cases // 2, cases, name) for side, name in zip(rows, "xy", strict=True))
    return x_rows, y_rows


def test_matched_size_as_sorted_lists() -> None:
    x, y = sides()
    found = matched_estimates(x, y, resample_counts(20, 30), coins=3)
    lists = x.embeddings.tolist(), y.embeddings.tolist()
    by_coin = [reference.matched_ranks(*lists, first_by_coin(40, seed).tolist()) for seed in range(3)]
    every = [place for coin in by_coin for place in coin]
    for k in (1, 5, 10):
        assert found[f"R@{k}"].value == pytest.approx(mean([float(rank <= k) for rank, _ in every]))
    assert found["own_modality_share"].value == pytest.approx(mean([share for _, share in every]))
    across = [
        float(reference.counterpart_rank(query, gallery, case) <= 10)
        for queries, gallery in (lists, lists[::-1])
        for case, query in enumerate(queries)
    ]
    assert found["ratio"].value == pytest.approx(found["R@10"].value / mean(across))
    shares = [float(first_by_coin(40, seed).double().mean()) for seed in range(3)]
    # Of the cases stored as x, the share p, the others are the own modality of the query, and the other way round.
    assert found["expected_own_share"].value == pytest.approx(mean([2 * p * (1 - p) for p in shares]))
    assert found["expected_own_share"].low is None


def test_the_ratio_is_resampled_with_both_its_parts() -> None:
    x, y = sides()
    counts = resample_counts(20, 25)
    found = matched_estimates(x, y, counts)
    for draw in range(25):
        times = counts[draw].repeat_interleave(2)
        rows = torch.arange(40).repeat_interleave(times.long())
        # Queries drawn twice ask twice; the index stays.
        again = matched_estimates(x, y, resample_counts(20, 1), asking=rows)
        assert float(found["ratio"].draws[draw]) == pytest.approx(again["ratio"].value)


def test_a_gap_costs_and_no_gap_costs_nothing() -> None:
    counts = resample_counts(150, 1)
    ratios = [matched_estimates(*sides(300, gap), counts)["ratio"].value for gap in (0.0, 1.0, 4.0)]
    assert 0.9 < ratios[0] < 1.1
    assert ratios[0] > ratios[1] > ratios[2]
    assert ratios[2] < 0.1


def test_cases_without_both_modalities_take_no_part(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(1)
    left, right = (Rows(side, cases, cases, cases) for side, cases in ((x, x_cases), (y, y_cases)))
    one, other = paired(left, right)
    both = sorted(set(x_cases.tolist()) & set(y_cases.tolist()))
    assert one.cases.tolist() == other.cases.tolist() == both
    first = x_cases.tolist().index(both[0])
    assert torch.equal(one.embeddings[0], x[first])
    apart = paired(left, replace(right, cases=right.cases + 20))
    with pytest.raises(UsageError, match="matched-size search needs cases with both modalities"):
        matched_estimates(*apart, resample_counts(9, 2))
    with pytest.raises(UsageError, match="re-linkage needs cases with both modalities"):
        relinkage_estimates(*apart, resample_counts(9, 2))


def test_relinkage_as_counted() -> None:
    x, y = sides(25)
    found = relinkage_estimates(x, y, resample_counts(13, 30))
    lists = x.embeddings.tolist(), y.embeddings.tolist()
    ranks = [
        reference.counterpart_rank(query, gallery, case)
        for queries, gallery in (lists, lists[::-1])
        for case, query in enumerate(queries)
    ]
    assert found["R@1"].value == pytest.approx(mean([float(rank == 1) for rank in ranks]))
    assert found["R@10"].value == pytest.approx(mean([float(rank <= 10) for rank in ranks]))
    assert (found["chance"].value, found["gallery"].value) == (1 / 25, 25)
    low, high = found["R@1"].low, found["R@1"].high
    assert low is not None
    assert high is not None
    assert low < found["R@1"].value < high


def test_some_cases_ask_and_all_are_searched() -> None:
    x, y = sides(60)
    chosen = torch.arange(60) % 2 == 0
    embeddings = EmbeddingSet(
        {"x": x.embeddings, "y": y.embeddings}, [str(case) for case in range(60)], groups=[str(g) for g in range(60)]
    )
    couple = Couple.of(embeddings, "x", "y", chosen)
    counts = resample_counts(60, 2)
    linked = {figure.name: value.value for figure, value in Relinkage().measure(couple, counts).items()}
    assert linked["relinkage/gallery"] == 60
    assert linked["relinkage/R@1"] == pytest.approx(relinkage_estimates(x, y, counts, chosen)["R@1"].value)
    searched = {figure.name: value.value for figure, value in MixedMatched().measure(couple, counts).items()}
    expected = matched_estimates(x, y, counts, asking=chosen.nonzero().squeeze(1))
    assert searched["mixed_matched/R@10"] == pytest.approx(expected["R@10"].value)


def test_recall_by_chance_as_counted(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(0)
    ranks = retrieval_ranks(x, y, Pairs(x_cases, y_cases))
    found = recall_by_chance(ranks)
    positives = [sum(case == other for other in y_cases.tolist()) for case in x_cases.tolist()]
    for k in (1, 5, 10):
        missed = [math.comb(17 - p, k) / math.comb(17, k) for p in positives if p]
        assert found[f"R@{k}/chance"].value == pytest.approx(1 - mean(missed))
    assert found["R@1/chance"].low is None
    few = recall_by_chance(retrieval_ranks(torch.eye(3)[:1], torch.eye(3), Pairs(torch.arange(1), torch.arange(3))))
    assert few["R@10/chance"].value == 1
    assert few["R@1/chance"].value == pytest.approx(1 / 3)


def test_a_random_order_scores_its_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = normalize(torch.randn(2, 400, 64, generator=generator), dim=2)
    cases = torch.arange(400) // 4
    ranks = retrieval_ranks(x, y[torch.randperm(400, generator=generator)], Pairs(cases, cases))
    scored = float((ranks.best <= 10).double().mean())
    assert recall_by_chance(ranks)["R@10/chance"].value == pytest.approx(scored, abs=0.03)
