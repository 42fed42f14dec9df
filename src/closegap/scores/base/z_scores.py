"""Scores of each query standardised among themselves."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.metrics.positives import Rows

_QUERIES_AT_ONCE = 64
_LEAST = 1e-6  # of a standard deviation: where a query's scores are all alike, none is blown up


@dataclass(frozen=True)
class Spread:
    """How each query's scores lie among all targets of a modality.

    Both follow from the targets' mean row m and mean outer product S without a look at the scores: q.m, and the root of
    q'Sq - (q.m)^2. So an index that finds the best alone can standardise them.

    Args:
        mean: of each query's scores.
        deviation: their standard deviation, without correction.
    """

    mean: Float[Tensor, "q 1"]
    deviation: Float[Tensor, "q 1"]

    @classmethod
    def of(cls, scores: Float[Tensor, "q t"]) -> Self:
        """That of all scores; -inf, what a query does not search, does not count."""
        # Few are left out, if any: to set these alone is several times faster than to mask them all.
        outside = (scores == -torch.inf).nonzero(as_tuple=True)
        left_out = torch.bincount(outside[0], minlength=len(scores))[:, None]
        number = (scores.shape[1] - left_out).clamp(min=1)
        away = scores.clone()
        away[outside] = 0.0
        mean = away.sum(1, keepdim=True) / number
        away -= mean
        away[outside] = 0.0
        return cls(mean, torch.linalg.vector_norm(away, dim=1, keepdim=True) / number.sqrt())


def z_scores(scores: Float[Tensor, "q t"], spread: Spread | None = None) -> Float[Tensor, "q t"]:
    """Each query's scores less their mean, over their standard deviation; -inf stays.

    Args:
        scores: of queries against targets of one modality.
        spread: among all targets, where `scores` are of some alone; by default that of the scores.
    """
    spread = spread or Spread.of(scores)
    found: Float[Tensor, "q t"] = (scores - spread.mean) / spread.deviation.clamp(min=_LEAST)
    return found


def unit(queries: Rows, galleries: list[Rows]) -> Float[Tensor, ""]:
    """What brings such scores back near the scale of cosines: the geometric mean over galleries of the mean spread."""
    spreads = torch.stack([_spread(queries.embeddings, gallery.embeddings) for gallery in galleries])
    return spreads.clamp(min=_LEAST).log().mean().exp()


def _spread(queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"]) -> Float[Tensor, ""]:
    """The mean over queries of the standard deviation of their scores."""
    some = torch.split(queries, _QUERIES_AT_ONCE)
    return torch.cat([(rows @ gallery.T).std(1, correction=0) for rows in some]).double().mean()
