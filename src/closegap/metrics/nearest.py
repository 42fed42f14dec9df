"""The nearest items of each query over the full gallery."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.tiles import Tiles, cosines, read_by_tile


def nearest(
    queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"], k: int, excluded: Int[Tensor, "q"] | None = None
) -> Int[Tensor, "q k"]:
    """The k gallery rows with the highest cosine to each query, the highest first; O(g) memory.

    Scores closer than rounding can tell (1e-6 in float32, 1e-12 in float64) are equal and go by index.

    Args:
        queries: unit rows.
        gallery: unit rows.
        k: how many; all that can be found where the gallery holds fewer.
        excluded: for each query a gallery row that it does not search, where the gallery holds the query itself.
    """
    k = min(k, len(gallery) - (excluded is not None))
    return nearest_by_tile(cosines(queries, gallery, excluded), queries.new_empty(0, len(gallery)), len(queries), k)


def nearest_by_tile(write: Tiles, like: Float[Tensor, "0 g"], queries: int, k: int) -> Int[Tensor, "q k"]:
    """As `nearest`, of scores that are written for some queries at a time into a tile of the kind of `like`."""
    found = Nearest(queries, k, like.device)
    read_by_tile(write, like, queries if k > 0 else 0, [found])
    return found.items


class Nearest:
    """Reads the k items with the highest scores of each query, the highest first.

    Args:
        queries: how many there are.
        k: how many items are found for each, at most as many as it searches.
        device: of the scores.
    """

    def __init__(self, queries: int, k: int, device: torch.device) -> None:
        self.items = torch.empty(queries, max(k, 0), dtype=torch.int64, device=device)

    def read(self, rows: slice, scores: Float[Tensor, "t g"], flags: Float[Tensor, "t g"]) -> None:
        """Find them for some queries."""
        self.items[rows] = _highest(scores, flags, self.items.shape[1])


def _highest(scores: Float[Tensor, "t g"], flags: Float[Tensor, "t g"], k: int) -> Int[Tensor, "t k"]:
    tolerance = 1e-12 if scores.dtype == torch.float64 else 1e-6
    values, items = scores.topk(k, dim=1)
    # Where more than k items reach the last score, which of them are in is a matter of index.
    reaching = torch.ge(scores, values[:, -1:] - tolerance, out=flags).sum(1)
    for row in (reaching > k).nonzero().squeeze(1).tolist():
        # Both bounds are rounded: what reaches the lower one and not the upper one is tied, so that none falls between.
        above = scores[row] > values[row, -1] + tolerance
        certain, tied = above.nonzero().squeeze(1), (flags[row].bool() & ~above).nonzero().squeeze(1)
        items[row] = torch.cat([certain, tied[: k - len(certain)]])
    items = items.sort(dim=1).values
    rounded = (scores.gather(1, items) / tolerance).round()
    return items.gather(1, rounded.sort(dim=1, descending=True, stable=True).indices)
