"""What one cosine means, in words."""

from dataclasses import dataclass
from math import inf

import torch

from closegap.calibration.calibration import Calibration
from closegap.errors import UsageError

_OF = {"pairs": "its counterpart", "labels": "of its label", "concepts": "of enough of its concepts"}


@dataclass(frozen=True)
class Explained:
    """A cosine and what is to be thought of it.

    Args:
        probability: that the target is relevant.
        prior: what it is before the score is seen.
        threshold: the lowest score inside the answer set.
        inside: whether this one is.
        lines: all that in words.
    """

    probability: float
    prior: float
    threshold: float
    inside: bool
    lines: tuple[str, ...]


def explained(
    calibration: Calibration,
    cosine: float,
    query_modality: str,
    target_modality: str,
    *,
    alpha: float = 0.1,
    candidates: float | None = None,
    prior: float | None = None,
) -> Explained:
    """What a cosine means to a calibration.

    Args:
        calibration: fitted.
        cosine: of a query and a target; the stage of the calibration is applied here.
        query_modality: that of the query.
        target_modality: that of the target.
        alpha: how often the answer set may miss.
        candidates: how many targets are searched; the reference's number by default.
        prior: the share of relevant targets, instead.

    Raises:
        UsageError: no cosine, or a stage that needs all scores of a query at once.
    """
    if not -1.001 <= cosine <= 1.001:
        raise UsageError(f"cosine {cosine:g} given, expected a number from -1 to 1")
    found = calibration.of_pair(query_modality, target_modality)
    score = torch.tensor(_staged(calibration, cosine, query_modality, target_modality), dtype=torch.float64)
    ways = (query_modality, target_modality)
    before = calibration.prior_among(found, candidates, prior)
    probability = float(calibration.probability(score, *ways, candidates=candidates, prior=prior))
    p_value = float(calibration.abstention.p_values(score, *ways))
    threshold = calibration.threshold(*ways, alpha)
    inside = float(score) >= threshold
    became = "" if calibration.stage is None else f", {float(score):.3f} after {type(calibration.stage).__name__}"
    among = candidates or found.candidates
    at = f"among {among:,.0f} candidates" if prior is None and calibration.relevance == "pairs" else "at this prior"
    lines = (
        f"cosine {cosine:g} of {query_modality} and {target_modality}{became}",
        f"probability that the {target_modality} is {_OF[calibration.relevance]}: {probability:.3g} {at}, "
        f"{before:.3g} before the cosine is seen",
        _verdict(inside, threshold, alpha, p_value),
    )
    return Explained(probability, before, threshold, inside, lines)


def _verdict(inside: bool, threshold: float, alpha: float, p_value: float) -> str:
    promise = f"sets at alpha {alpha:g} hold a relevant target for {1 - alpha:.0%} of queries that have one"
    if threshold == -inf:
        return f"an answer only because everything is one: too few groups were calibrated for alpha {alpha:g}"
    lower = f"{p_value:.1%} of true answers score this low or lower"
    if inside:
        return f"an answer (scores from {threshold:.3f} on): {lower}; {promise}"
    return f"not an answer (scores from {threshold:.3f} on are): {lower}; {promise}; none above it means not sure"


def _staged(calibration: Calibration, cosine: float, query_modality: str, target_modality: str) -> float:
    """The score after the stage, which must not depend on the query's other scores."""
    if calibration.stage is None:
        return cosine
    rows = torch.tensor([[cosine, cosine, cosine], [cosine, -1.0, 1.0]], dtype=torch.float64)
    alone, among = calibration.stage.adjusted(rows, query_modality, target_modality)[:, 0].tolist()
    if abs(alone - among) > 1e-6:
        name = type(calibration.stage).__name__
        raise UsageError(
            f"{name} needs all scores of a query to make something of one; calibrate cosines, or after `offset`"
        )
    return float(alone)
