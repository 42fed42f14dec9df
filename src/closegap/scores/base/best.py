"""The highest scores of reference queries among items of other cases, which stages are estimated from."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.metrics.positives import Pairs, Rows

_SCORES_AT_ONCE = 2**21
_QUERIES_AT_ONCE = 64  # at least, as in retrieval


def sampled(rows: Rows, limit: int, seed: int = 0) -> Rows:
    """At most `limit` of the rows, drawn with a seed, in their order."""
    if len(rows.cases) <= limit:
        return rows
    picked = torch.randperm(len(rows.cases), generator=torch.Generator().manual_seed(seed))[:limit]
    return rows.pick(picked.sort().values)


def best_scores(
    queries: Rows, gallery: Rows, k: int = 1, seen_as: Callable[[Tensor], Tensor] | None = None
) -> Float[Tensor, "q k"]:
    """The k highest scores of each query among items of other cases, highest first, in float64; O(g) memory.

    No pair is needed: the query's own case, itself included, is left out. Where fewer than k items are of other cases
    the rest is -inf.

    Args:
        queries: reference queries.
        gallery: all items of one modality.
        k: how many.
        seen_as: what the cosines of some queries with the whole gallery become, -inf at their own cases; cosines as
            they are by default.
    """
    of_queries, own = Pairs(queries.cases, gallery.cases).positives()
    k_found = min(k, len(gallery.cases))
    found = torch.full((len(queries.cases), k), -torch.inf, dtype=torch.float64)
    step = max(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // max(1, len(gallery.cases)))
    tile = queries.embeddings.new_empty(min(step, len(queries.cases)), len(gallery.cases))
    for start in range(0, len(queries.cases), step):
        some = queries.embeddings[start : start + step]
        scores = torch.mm(some, gallery.embeddings.T, out=tile[: len(some)])
        here = (of_queries >= start) & (of_queries < start + step)
        scores[of_queries[here] - start, own[here]] = -torch.inf
        seen = scores if seen_as is None else seen_as(scores)
        found[start : start + step, :k_found] = seen.topk(k_found, dim=1).values.double()
    return found
