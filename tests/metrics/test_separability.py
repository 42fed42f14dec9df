import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.folds import group_folds
from closegap.metrics.positives import Rows
from closegap.metrics.separability import separability_accuracy, separability_auc, separability_estimates, separate


def rows(n: int, shift: float, seed: int = 0, d: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, d, generator=generator)
    x, y = common + torch.randn(2, n, d, generator=generator)
    y[:, 0] += shift
    return normalize(x, dim=1), normalize(y, dim=1)


def test_folds_keep_groups_whole_and_equal() -> None:
    groups = torch.arange(23).repeat_interleave(3) * 7
    folds = group_folds(groups, 5, seed=1)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert sorted(torch.bincount(folds[::3]).tolist()) == [4, 4, 5, 5, 5]
    assert torch.equal(folds, group_folds(groups, 5, seed=1))
    assert not torch.equal(folds, group_folds(groups, 5, seed=2))
    assert set(group_folds(torch.tensor([4, 4, 9])).tolist()) == {0, 1}
    with pytest.raises(UsageError, match="two groups at least, got 1"):
        group_folds(torch.zeros(5, dtype=torch.int64))


def test_a_gap_separates_and_none_does_not() -> None:
    case = torch.arange(150)
    apart = separate(*rows(150, 8.0), case, case)
    assert float(separability_auc(apart)) > 0.99
    assert float(separability_accuracy(apart)) > 0.97
    values = [float(separability_auc(separate(*rows(150, 0.0, seed), case, case))) for seed in range(6)]
    assert sum(values) / 6 == pytest.approx(0.5, abs=0.05)


def test_identical_modalities_are_at_chance() -> None:
    x, _ = rows(40, 0.0)
    case = torch.arange(40)
    same = separate(x, x, case, case)
    assert float(separability_auc(same)) == pytest.approx(0.5)
    assert float(separability_accuracy(same)) == pytest.approx(0.5)


def test_scores_as_scikit_learn_measures_them() -> None:
    x, y = rows(120, 0.7)
    case = torch.arange(120)
    y, y_case = y[:70], case[:70]
    found = separate(x, y, case, y_case)
    areas = [
        roc_auc_score(found.second[fold], found.scores[fold]) for fold in (found.folds == part for part in range(5))
    ]
    assert float(separability_auc(found)) == pytest.approx(sum(areas) / 5)
    assert float(separability_accuracy(found)) == pytest.approx(balanced_accuracy_score(found.second, found.scores > 0))


def test_a_rotation_changes_nothing() -> None:
    x, y = rows(80, 0.7)
    case = torch.arange(80)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    plain, turned = separate(x, y, case, case), separate(x @ turn, y @ turn, case, case)
    assert float(separability_auc(turned)) == pytest.approx(float(separability_auc(plain)), abs=0.005)


def test_draws_weigh_the_held_out_rows() -> None:
    x, y = rows(60, 0.7)
    case = torch.arange(60)
    groups = case // 2
    counts = resample_counts(30, 20)
    found = separability_estimates(Rows(x, case, groups, case), Rows(y, case, groups, case), counts)
    separation = separate(x, y, groups, groups)
    assert found["separability_auc"].value == pytest.approx(float(separability_auc(separation)))
    assert found["separability_accuracy"].value == pytest.approx(float(separability_accuracy(separation)))
    weights = counts[3, torch.cat([groups, groups])]
    areas = []
    for part in range(5):
        fold = separation.folds == part
        areas.append(roc_auc_score(separation.second[fold], separation.scores[fold], sample_weight=weights[fold]))
    assert float(found["separability_auc"].draws[3]) == pytest.approx(sum(areas) / 5)
