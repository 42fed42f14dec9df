import json
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics import tiles
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.positives import Pairs
from closegap.metrics.ranks import ranks_of_scores, retrieval_ranks
from closegap.metrics.retrieval import (
    mean_average_precision,
    mean_reciprocal_rank,
    median_rank,
    recall_at_k,
    retrieval_estimates,
)

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


@pytest.mark.parametrize("name", ["small", "gap", "tight"])
def test_published_recall(golden_folder: Path, name: str) -> None:
    golden = json.loads((golden_folder / "modgap_936161c.json").read_text())[name]
    with np.load(golden_folder / "modgap_936161c.npz") as arrays:
        x, y = torch.from_numpy(arrays[f"{name}_x"]), torch.from_numpy(arrays[f"{name}_y"])
    for k in (1, 5, 10):
        assert float(recall_at_k(retrieval_ranks(y, x), k)) * 100 == pytest.approx(golden[f"forward_r{k}"])
        assert float(recall_at_k(retrieval_ranks(x, y), k)) * 100 == pytest.approx(golden[f"backward_r{k}"])


def check(x: Tensor, y: Tensor, x_cases: Tensor, y_cases: Tensor, excluded: Tensor | None = None) -> None:
    """Against sorted lists."""
    found = retrieval_ranks(x, y, Pairs(x_cases, y_cases), excluded)
    skip = [None] * len(x) if excluded is None else excluded.tolist()
    wanted = [{j for j, case in enumerate(y_cases.tolist()) if case == i} for i in x_cases.tolist()]
    rows = [row for row, positives in enumerate(wanted) if positives]
    queries, gallery = x.tolist(), y.tolist()
    assert found.queries.tolist() == rows
    assert found.best.tolist() == [reference.best_rank(queries[i], gallery, wanted[i], skip[i]) for i in rows]
    assert found.average_precision.tolist() == pytest.approx(
        [reference.average_precision(queries[i], gallery, wanted[i], skip[i]) for i in rows]
    )
    assert found.gallery == len(y)


@pytest.mark.parametrize("seed", range(4))
def test_sorted_lists(draw: Draw, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    check(*draw(seed))
    monkeypatch.setattr(tiles, "_SCORES_AT_ONCE", 40)
    check(*draw(seed))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_sorted_lists_with_ties(data: st.DataObject) -> None:
    # Few directions, so that most scores are shared.
    n, m = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 8))
    numbers = st.integers(0, 4)
    picks = [data.draw(st.lists(numbers, min_size=size, max_size=size)) for size in (n, m, n, m)]
    angles = torch.arange(5, dtype=torch.float64) * torch.pi / 4
    directions = torch.stack([angles.cos(), angles.sin()], dim=1)
    x_picks, y_picks, x_cases, y_cases = (torch.tensor(pick) for pick in picks)
    check(directions[x_picks], directions[y_picks], x_cases, y_cases)


def test_excluded_items_are_not_searched(draw: Draw) -> None:
    x, _, x_cases, _ = draw(3, n=14, cases=4)
    kept = torch.bincount(x_cases)[x_cases] > 1
    rows, cases = x[kept], x_cases[kept]
    own = torch.arange(len(rows))
    found = retrieval_ranks(rows, torch.cat([rows, rows]), Pairs(cases, torch.cat([cases + 10, cases])), own)
    # Each query finds its copy among the second half at once, since the first half is of other cases and lacks itself.
    assert found.best.tolist() == [1] * len(rows)
    assert found.gallery == 2 * len(rows)


def test_identical_vectors_score_chance() -> None:
    rows = normalize(torch.rand(1, 300, generator=torch.Generator().manual_seed(0)), dim=1).expand(500, 300)
    found = retrieval_ranks(rows, rows)
    assert found.best.tolist() == list(range(1, 501))
    assert found.tied.tolist() == [499] * 500
    assert float(recall_at_k(found, 10)) == pytest.approx(10 / 500)


def test_a_score_matrix_and_its_embeddings_rank_alike(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(5)
    pairs = Pairs(x_cases, y_cases)
    scores = x @ y.T
    before = scores.clone()
    found, expected = ranks_of_scores(scores, pairs), retrieval_ranks(x, y, pairs)
    assert torch.equal(scores, before)
    for name in ("queries", "best", "average_precision", "tied"):
        assert torch.equal(getattr(found, name), getattr(expected, name))


def test_negative_scores_count() -> None:
    x = torch.eye(3)
    # The true item lies opposite the query, the others at 90 degrees: it is found, and last.
    found = retrieval_ranks(x, -x)
    assert found.best.tolist() == [3, 3, 3]
    assert float(mean_average_precision(found)) == pytest.approx(1 / 3)


def test_summaries_by_hand() -> None:
    # One query, three positives at ranks 1, 3 and 4 of 5: AP = (1/1 + 2/3 + 3/4) / 3; the second query's only one: 2.
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5], [0.9, 0.8, 0.7, 0.6, 0.5]])
    found = ranks_of_scores(scores, Pairs(torch.tensor([0, 1]), torch.tensor([0, 1, 0, 0, 2])))
    assert found.best.tolist() == [1, 2]
    assert float(mean_average_precision(found)) == pytest.approx(((1 + 2 / 3 + 3 / 4) / 3 + 1 / 2) / 2)
    assert float(mean_reciprocal_rank(found)) == pytest.approx(0.75)
    assert float(median_rank(found)) == 1.5
    assert [float(recall_at_k(found, k)) for k in (1, 2)] == [0.5, 1.0]


def test_rotation_and_order_of_queries_change_nothing(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(6)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    plain = retrieval_ranks(x, y, Pairs(x_cases, y_cases))
    turned = retrieval_ranks(x[order] @ turn, y @ turn, Pairs(x_cases[order], y_cases))
    ranks = dict(zip(plain.queries.tolist(), plain.best.tolist(), strict=True))
    assert turned.best.tolist() == [ranks[i] for i in order.tolist() if i in ranks]


def test_estimates(draw: Draw) -> None:
    x, y, x_cases, y_cases = draw(7, n=40, m=50, cases=30)
    found = retrieval_ranks(x, y, Pairs(x_cases, y_cases))
    groups = x_cases // 2
    counts = resample_counts(15, 100, seed=0)
    estimated = retrieval_estimates(found, groups, counts)
    plain = {
        "R@1": recall_at_k(found, 1),
        "R@5": recall_at_k(found, 5),
        "R@10": recall_at_k(found, 10),
        "median_rank": median_rank(found),
        "mrr": mean_reciprocal_rank(found),
        "map": mean_average_precision(found),
    }
    assert set(estimated) == set(plain)
    for name, value in plain.items():
        assert estimated[name].value == pytest.approx(float(value)), name
    ranks = found.best[torch.arange(len(found.best)).repeat_interleave(counts[0, groups[found.queries]].long())]
    assert float(estimated["median_rank"].draws[0]) == statistics.median(ranks.tolist())
    assert float(estimated["R@5"].draws[0]) == pytest.approx(float((ranks <= 5).double().mean()))


def test_nothing_to_find() -> None:
    pairs = Pairs(torch.tensor([0, 1]), torch.tensor([2, 3, 4]))
    found = retrieval_ranks(torch.eye(2, 3), torch.eye(3), pairs)
    assert (len(found.queries), len(found.best)) == (0, 0)
    for summary in (median_rank, mean_reciprocal_rank, mean_average_precision):
        with pytest.raises(UsageError, match="no query has a positive"):
            summary(found)
    with pytest.raises(UsageError, match="no query has a positive"):
        recall_at_k(found, 1)
    with pytest.raises(UsageError, match="no query has a positive"):
        retrieval_estimates(found, torch.arange(2), resample_counts(2, 3))
    assert len(retrieval_ranks(torch.ones(0, 3), torch.eye(3), Pairs(pairs.x_cases[:0], pairs.y_cases)).best) == 0
