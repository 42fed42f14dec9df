"""Scores of each query standardised among themselves."""

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.metrics.positives import Rows

_QUERIES_AT_ONCE = 64
_LEAST = 1e-6  # of a standard deviation: where a query's scores are all alike, none is blown up


def z_scores(scores: Float[Tensor, "q t"]) -> Float[Tensor, "q t"]:
    """Each query's scores less their mean, over their standard deviation; -inf, what it does not search, stays out."""
    searched = scores.isfinite()
    known, number = torch.where(searched, scores, 0.0), searched.sum(1, keepdim=True).clamp(min=1)
    mean = known.sum(1, keepdim=True) / number
    deviations = torch.where(searched, scores - mean, 0.0)
    spread = (deviations.square().sum(1, keepdim=True) / number).sqrt().clamp(min=_LEAST)
    found: Float[Tensor, "q t"] = (scores - mean) / spread
    return found


def unit(queries: Rows, galleries: list[Rows]) -> Float[Tensor, ""]:
    """What brings such scores back near the scale of cosines: the geometric mean over galleries of the mean spread."""
    spreads = torch.stack([_spread(queries.embeddings, gallery.embeddings) for gallery in galleries])
    return spreads.clamp(min=_LEAST).log().mean().exp()


def _spread(queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"]) -> Float[Tensor, ""]:
    """The mean over queries of the standard deviation of their scores."""
    some = torch.split(queries, _QUERIES_AT_ONCE)
    return torch.cat([(rows @ gallery.T).std(1, correction=0) for rows in some]).double().mean()
