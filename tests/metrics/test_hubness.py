from collections.abc import Callable

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics import tiles
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.hubness import hubness_estimates, hubness_skewness, k_occurrence, never_retrieved
from closegap.metrics.nearest import nearest, nearest_by_tile

Draw = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_nearest_as_sorted_lists_with_ties(data: st.DataObject) -> None:
    q, g = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 9))
    k, at_once = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([1, 20, 1000]))
    picks = [torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))) for size in (q, g)]
    angles = torch.arange(5, dtype=torch.float64) * torch.pi / 4
    directions = torch.stack([angles.cos(), angles.sin()], dim=1)
    queries, gallery = directions[picks[0]], directions[picks[1]]
    skipped = torch.tensor(data.draw(st.lists(st.integers(0, g - 1), min_size=q, max_size=q)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "_SCORES_AT_ONCE", at_once)
        plain, without = nearest(queries, gallery, k), nearest(queries, gallery, k, skipped)
    for row, query in enumerate(queries.tolist()):
        assert plain[row].tolist() == reference.ranking(query, gallery.tolist())[:k]
        assert without[row].tolist() == reference.ranking(query, gallery.tolist(), int(skipped[row]))[:k]


def test_nearest_in_float32_and_without_items(draw: Draw) -> None:
    x, y, _, _ = draw(0, n=20, m=60)
    assert torch.equal(nearest(x.float(), y.float(), 7), nearest(x, y, 7))
    assert nearest(x, y[:1], 3, torch.zeros(20, dtype=torch.int64)).shape == (20, 0)
    assert nearest(x[:0], y, 3).shape == (0, 3)


def test_occurrence_counts_every_query() -> None:
    x = torch.eye(3)
    occurrence = k_occurrence(torch.cat([x, x[:1]]), x, k=1)
    assert occurrence.tolist() == [2, 1, 1]
    assert float(never_retrieved(occurrence)) == 0
    assert float(never_retrieved(torch.tensor([3, 0, 0, 1]))) == 0.5


def test_skewness() -> None:
    occurrence = torch.tensor([0, 1, 0, 9, 2, 2, 3, 0])
    assert float(hubness_skewness(occurrence)) == pytest.approx(float(scipy.stats.skew(occurrence.numpy())))
    assert float(hubness_skewness(torch.full((7,), 3))) == 0
    with pytest.raises(UsageError, match="at least one item"):
        never_retrieved(torch.zeros(0, dtype=torch.int64))


def test_hubs_show() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = normalize(torch.randn(2, 300, 20, generator=generator), dim=2)
    even = k_occurrence(queries, gallery)
    # Items drawn towards the queries' common direction are found by all.
    queries = normalize(queries + torch.ones(20) * 0.3, dim=1)
    gallery[:5] = normalize(gallery[:5] + torch.ones(20), dim=1)
    hubs = k_occurrence(queries, gallery)
    assert float(hubness_skewness(hubs)) > float(hubness_skewness(even)) + 1
    assert float(never_retrieved(hubs)) > float(never_retrieved(even))


def test_estimates_resample_items(draw: Draw) -> None:
    x, y, _, y_cases = draw(1, n=40, m=50, cases=30)
    counts = resample_counts(30, 20)
    occurrence = k_occurrence(x, y, k=3)
    found = hubness_estimates(occurrence, y_cases, counts)
    assert found["hubness_skewness"].value == pytest.approx(float(hubness_skewness(occurrence)))
    assert found["never_retrieved"].value == pytest.approx(float(never_retrieved(occurrence)))
    drawn = occurrence.repeat_interleave(counts[2, y_cases].long())
    assert float(found["hubness_skewness"].draws[2]) == pytest.approx(float(hubness_skewness(drawn)))
    assert float(found["never_retrieved"].draws[2]) == pytest.approx(float(never_retrieved(drawn)))


def test_ties_at_the_edge_of_rounding_are_all_found() -> None:
    last = torch.rand(400, 1, generator=torch.Generator().manual_seed(0))
    # A tolerance above and below the last place, where float32 rounds differences to either side of it.
    scores = torch.cat([last + 1e-6, last, last - 1e-6, last - 0.1], dim=1)

    def write(rows: slice, tile: torch.Tensor) -> None:
        tile.copy_(scores[rows])

    found = nearest_by_tile(write, scores[:0], len(scores), 2)
    assert all(len(set(row)) == 2 and 3 not in row for row in found.tolist())
    above = (scores[:, :1] > scores[:, 1:2] + 1e-6).squeeze(1)
    assert (found[above, 0] == 0).all()
