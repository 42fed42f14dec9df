import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.positives import Rows
from closegap.metrics.probing import knn_labels, linear_labels, probing_estimates


def labelled(n: int = 150, noise: float = 0.4) -> tuple[Rows, Rows, list[str]]:
    generator = torch.Generator().manual_seed(0)
    case = torch.arange(n)
    kind = torch.randint(3, (n,), generator=generator)
    x, y = torch.eye(6)[kind] + noise * torch.randn(2, n, 6, generator=generator)
    x, y = normalize(x, dim=1), normalize(y, dim=1)
    return Rows(x, case, case // 2, case), Rows(y, case, case // 2, case), [f"kind {int(k)}" for k in kind]


def test_neighbours_vote_as_in_scikit_learn() -> None:
    x, y, _ = labelled()
    labels = torch.arange(150) % 2
    # Two labels and five votes never tie.
    reference = KNeighborsClassifier(5, metric="cosine").fit(x.embeddings.numpy(), labels.numpy())
    assert knn_labels(x.embeddings, labels, y.embeddings).tolist() == reference.predict(y.embeddings.numpy()).tolist()


def test_votes_that_tie_go_to_the_nearest_row() -> None:
    angles = torch.tensor([0.1, 0.2, 0.3, 0.4])
    rows = torch.stack([angles.cos(), angles.sin()], dim=1)
    query = torch.tensor([[1.0, 0.0]])
    assert knn_labels(rows, torch.tensor([2, 0, 0, 2]), query, k=4).tolist() == [2]
    assert knn_labels(rows, torch.tensor([0, 2, 2, 0]), query, k=4).tolist() == [0]
    assert knn_labels(rows, torch.tensor([1, 0, 0, 2]), query, k=4).tolist() == [0]


def test_one_label_is_learnt_without_a_classifier() -> None:
    rows = torch.eye(3)
    assert linear_labels(rows, torch.full((3,), 7), rows[:2]).tolist() == [7, 7]


def test_probes_cross_where_modalities_agree() -> None:
    x, y, labels = labelled()
    counts = resample_counts(75, 100)
    found = probing_estimates(x, y, labels, counts)
    names = {f"{probe}_{a}_to_{b}" for probe in ("knn", "linear") for a in "xy" for b in "xy"}
    assert set(found) == {*names, "majority"}
    for name in names:
        assert found[name].value > 0.75, name
        low, high = found[name].low, found[name].high
        assert low is not None
        assert high is not None
        assert low <= found[name].value <= high
    assert found["majority"].value == pytest.approx(0.36, abs=0.06)
    turned = Rows(-y.embeddings, y.cases, y.groups, y.index)
    across = probing_estimates(x, turned, labels, counts)
    for probe in ("knn", "linear"):
        assert across[f"{probe}_y_to_y"].value == pytest.approx(found[f"{probe}_y_to_y"].value, abs=0.02)
        assert across[f"{probe}_x_to_y"].value < 0.3


def test_groups_are_not_split() -> None:
    # Labels that only the group tells: a probe that had seen the group would be right.
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(200) // 4
    rows = normalize(torch.randn(50, 32, generator=generator)[group] + 0.01, dim=1)
    labels = [str(int(number)) for number in torch.randint(2, (50,), generator=generator)[group]]
    side = Rows(rows, torch.arange(200), group, torch.arange(200))
    found = probing_estimates(side, side, labels, resample_counts(50, 10))
    for name, sampled in found.items():
        assert sampled.value < 0.75, name


def test_errors() -> None:
    x, y, _ = labelled(20)
    with pytest.raises(UsageError, match="two labels at least in each modality"):
        probing_estimates(x, y, ["a"] * 20, resample_counts(10, 2))
    with pytest.raises(UsageError, match="two labels at least in each modality"):
        probing_estimates(x, y, [""] * 20, resample_counts(10, 2))
