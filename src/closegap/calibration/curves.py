"""The probability of relevance as a function of the score, from how many couples of each score are relevant."""

from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from closegap.metrics.cells import Counted, middles

CurveName: TypeAlias = Literal["isotonic", "logistic"]


def isotonic(counted: Counted) -> Float[Tensor, "2 k"]:
    """Scores and the probabilities at them, between which the curve is straight: the best that never falls.

    With R relevant of N couples it stays within 1 / 2N and 1 - 1 / (2R + 2): no sample says that something never or
    always happens.

    Reference:
        Zadrozny and Elkan, KDD 2002. The bounds are ours.
    """
    total = counted.relevant + counted.irrelevant
    held = total > 0
    score, number = middles()[held].numpy(), total[held].double().numpy()
    low, high = 1 / (2 * counted.couples), 1 - 1 / (2 * int(counted.relevant.sum()) + 2)
    fitted = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip")
    fitted.fit(score, counted.relevant[held].double().numpy() / number, sample_weight=number)
    return torch.from_numpy(np.stack([fitted.X_thresholds_, fitted.y_thresholds_])).double()


def logistic(counted: Counted) -> Float[Tensor, "2"]:
    """Slope and intercept of the log odds, the slope at least 0.

    Targets are (R + 1) / (R + 2) for the R relevant couples and 1 / (I + 2) for the I others, so that scores which
    tell them apart without error leave the slope finite.

    Reference:
        Platt, Probabilistic outputs for support vector machines, 1999.
    """
    held = (counted.relevant + counted.irrelevant) > 0
    score = middles()[held].numpy()
    relevant, irrelevant = counted.relevant[held].double().numpy(), counted.irrelevant[held].double().numpy()
    of_relevant, of_others = (relevant.sum() + 1) / (relevant.sum() + 2), 1 / (irrelevant.sum() + 2)
    yes = relevant * of_relevant + irrelevant * of_others
    no = relevant + irrelevant - yes
    middle, unit = np.average(score, weights=yes + no), max(float(np.ptp(score)), 1e-9)
    scaled = np.tile((score - middle) / unit, 2)[:, None]
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    fit.fit(scaled, np.repeat([1, 0], len(score)), sample_weight=np.concatenate([yes, no]))
    slope = float(fit.coef_[0, 0]) / unit
    if slope < 0:
        return torch.tensor([0.0, np.log(yes.sum() / no.sum())], dtype=torch.float64)
    return torch.tensor([slope, float(fit.intercept_[0]) - slope * middle], dtype=torch.float64)


FITS = {"isotonic": isotonic, "logistic": logistic}


def stated(curve: Float[Tensor, "..."], scores: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The probabilities, in float64, that a curve of either form gives."""
    if curve.ndim == 1:
        return torch.sigmoid(curve[0] * scores.double() + curve[1])
    found = np.interp(scores.double().numpy(), curve[0].numpy(), curve[1].numpy())
    return torch.from_numpy(np.asarray(found))


def at_prior(probability: Float[Tensor, "*s"], fitted: float, wanted: float) -> Float[Tensor, "*s"]:
    """The probabilities where another share is relevant and scores of relevant and other targets lie as they did.

    odds' = odds * (wanted / (1 - wanted)) / (fitted / (1 - fitted)).

    Args:
        probability: at the prior `fitted`.
        fitted: the share of relevant couples that it was estimated with.
        wanted: another.
    """
    if wanted == fitted:
        return probability
    ratio = wanted * (1 - fitted) / (fitted * (1 - wanted))
    return probability * ratio / (probability * ratio + 1 - probability)
