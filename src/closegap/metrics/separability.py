"""How well a linear classifier tells two modalities apart."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.folds import group_folds
from closegap.metrics.positives import Rows

_ITERATIONS = 1000

SEPARABILITY_AUC = Figure(
    "separability_auc",
    "AUC",
    "Separability",
    "lower",
    meaning="How well a classifier tells the modalities apart; 0.5: not at all.",
    context="Separability",
)
SEPARABILITY_ACCURACY = Figure(
    "separability_accuracy",
    "Accuracy",
    "Separability",
    "lower",
    "percent",
    "Items whose modality a classifier tells; 50%: as good as guessing.",
    "Separability",
)


class Separability(Metric):
    """How well a classifier tells the modalities apart."""

    what = "separability"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the cases that are measured."""
        found = separability_estimates(couple.some(couple.x), couple.some(couple.y), counts)
        return {figure: found[figure.name] for figure in (SEPARABILITY_AUC, SEPARABILITY_ACCURACY)}


@dataclass(frozen=True)
class Separation:
    """What a classifier that has not seen a row's group says of the row.

    Args:
        scores: log-odds that the row is of the second modality; rows of the first modality come first.
        second: whether it is.
        folds: the fold in which the row was held out.
    """

    scores: Float[Tensor, "r"]
    second: Bool[Tensor, "r"]
    folds: Int[Tensor, "r"]


def separate(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    x_groups: Int[Tensor, "n"],
    y_groups: Int[Tensor, "m"],
    folds: int = 5,
    seed: int = 0,
) -> Separation:
    """Cross-validated scores of a logistic regression between the modalities.

    L2-regularised (C = 1) on rows scaled by sqrt(d), which gives unit rows features of unit size and keeps the result
    independent of a rotation; both modalities weigh the same whatever their numbers of rows.

    Args:
        x: unit rows of the first modality.
        y: unit rows of the second.
        x_groups: the group of each row of `x`, in one numbering with those of `y`. Groups are not split, so both
            modalities of a case are held out together.
        y_groups: the group of each row of `y`.
        folds: how many times a share of the groups is held out.
        seed: of the folds.

    Raises:
        UsageError: fewer than two groups.
    """
    rows = torch.cat([x, y]).float() * x.shape[1] ** 0.5
    second = torch.arange(len(rows)) >= len(x)
    fold = group_folds(torch.cat([x_groups, y_groups]), folds, seed)
    scores = torch.zeros(len(rows), dtype=torch.float64)
    for held_out in fold.unique():  # type: ignore[no-untyped-call]
        kept = fold != held_out
        if second[kept].all() or not second[kept].any():
            continue  # one modality alone teaches nothing: the log-odds stay 0
        model = LogisticRegression(max_iter=_ITERATIONS, class_weight="balanced")
        model.fit(rows[kept].numpy(), second[kept].numpy())
        scores[~kept] = torch.from_numpy(model.decision_function(rows[~kept].numpy())).double()
    return Separation(scores, second, fold)


def separability_auc(separation: Separation) -> Float[Tensor, ""]:
    """Mean over folds of the area under the ROC curve, in [0, 1]; 0.5 where nothing tells the modalities apart.

    The probability that a row of the second modality scores above one of the first; a draw counts half.
    """
    return _statistic(separation)(torch.ones(1, len(separation.scores), dtype=torch.float64))["separability_auc"][0]


def separability_accuracy(separation: Separation) -> Float[Tensor, ""]:
    """Share of rows told correctly, the mean of both modalities', in [0, 1]; 0.5 where nothing tells them apart."""
    ones = torch.ones(1, len(separation.scores), dtype=torch.float64)
    return _statistic(separation)(ones)["separability_accuracy"][0]


def separability_estimates(x: Rows, y: Rows, counts: Int[Tensor, "b g"], seed: int = 0) -> dict[str, Sampled]:
    """separability_auc and separability_accuracy with draws: held-out rows are resampled, classifiers stay as they are.

    Raises:
        UsageError: fewer than two groups.
    """
    separation = separate(x.embeddings, y.embeddings, x.groups, y.groups, seed=seed)
    return estimates(_statistic(separation), torch.cat([x.groups, y.groups]), counts)


def _statistic(separation: Separation) -> Statistic:
    folds = [separation.folds == fold for fold in separation.folds.unique()]  # type: ignore[no-untyped-call]
    second = separation.second.double()
    correct = torch.where(separation.scores == 0, 0.5, ((separation.scores > 0) == separation.second).double())

    def statistic(weights: Float[Tensor, "b u"]) -> Mapping[str, Float[Tensor, "b"]]:
        areas = torch.stack(
            [_auc(weights[:, fold], separation.scores[fold], separation.second[fold]) for fold in folds]
        )
        shares = [weights @ (correct * side) / (weights @ side) for side in (second, 1 - second)]
        return {"separability_auc": areas.nanmean(0), "separability_accuracy": (shares[0] + shares[1]) / 2}

    return statistic


def _auc(weights: Float[Tensor, "b u"], scores: Float[Tensor, "u"], second: Bool[Tensor, "u"]) -> Float[Tensor, "b"]:
    """Weighted share of pairs in which the row of the second modality scores higher; equal scores count half."""
    ordered, order = scores.sort()
    weights, second = weights[:, order], second[order]
    firsts = torch.nn.functional.pad((weights * ~second).cumsum(1), (1, 0))
    below = firsts[:, torch.searchsorted(ordered, ordered)]
    upto = firsts[:, torch.searchsorted(ordered, ordered, right=True)]
    seconds = weights * second
    return (seconds * (below + upto) / 2).sum(1) / (seconds.sum(1) * firsts[:, -1])
