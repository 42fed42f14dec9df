import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_rand_score,
    homogeneity_score,
    normalized_mutual_info_score,
    v_measure_score,
)
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.grouping import grouping_estimates, grouping_scores
from closegap.metrics.positives import Rows


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=30))
def test_scores_as_scikit_learn_has_them(rows: list[tuple[int, int]]) -> None:
    clusters, labels = (list(side) for side in zip(*rows, strict=True))
    found = grouping_scores(torch.tensor(clusters), torch.tensor(labels))
    assert float(found["v_measure"]) == pytest.approx(v_measure_score(labels, clusters), abs=1e-9)
    assert float(found["homogeneity"]) == pytest.approx(homogeneity_score(labels, clusters), abs=1e-9)
    assert float(found["nmi"]) == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert float(found["ari"]) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-9)


def clustered(gap: float, n: int = 120, k: int = 4) -> tuple[Rows, Rows, list[str]]:
    generator = torch.Generator().manual_seed(0)
    case = torch.arange(n)
    centres = torch.eye(8)[case % k]
    x, y = centres + 0.1 * torch.randn(2, n, 8, generator=generator)
    offset = gap * torch.eye(8)[7]
    x, y = normalize(x + offset, dim=1), normalize(y - offset, dim=1)
    return Rows(x, case, case // 2, case), Rows(y, case, case // 2, case), [f"kind {int(i) % k}" for i in case]


def test_a_gap_groups_by_modality() -> None:
    counts = resample_counts(60, 100)
    together = grouping_estimates(*clustered(0.0), counts, seeds=(0, 1, 2, 3))
    apart = grouping_estimates(*clustered(3.0), counts, seeds=(0, 1, 2, 3))
    for name in ("v_measure", "homogeneity", "nmi", "ari"):
        assert together[name].value > apart[name].value + 0.2
    for sampled in apart.values():
        assert sampled.low is not None
        assert sampled.high is not None
        assert sampled.low < sampled.value < sampled.high


def test_rows_without_a_label_are_left_out() -> None:
    x, y, labels = clustered(0.0)
    noisy = Rows(x.embeddings.clone(), x.cases, x.groups, x.index)
    noisy.embeddings[:10] = -noisy.embeddings[:10]
    unknown = [""] * 10 + labels[10:]
    counts = resample_counts(60, 5)
    found = grouping_estimates(noisy, y, unknown, counts)
    expected = grouping_estimates(x.pick(x.index >= 10), y.pick(y.index >= 10), labels, counts)
    assert found["v_measure"].value == pytest.approx(expected["v_measure"].value)
    with pytest.raises(UsageError, match="two labels at least, got 1"):
        grouping_estimates(x, y, ["one"] * 119 + [""], counts)
