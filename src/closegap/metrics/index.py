"""One index of several modalities, searched as a whole, with or without a score stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from closegap.metrics.nearest import nearest_by_tile
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.ranks import Ranks, ranks_by_tile
from closegap.metrics.searched import Searched, searched_by_tile
from closegap.metrics.stage import Stage
from closegap.metrics.tiles import Tiles, cosines


@dataclass(frozen=True)
class MixedIndex:
    """Items of several modalities in one list, ranked by cosine or by what a score stage makes of it.

    Args:
        parts: the items of each modality, in the order in which they are numbered.
        stage: fitted, of the modalities of parts and queries; None ranks by cosine.
    """

    parts: Sequence[Rows]
    stage: Stage | None = None

    @cached_property
    def rows(self) -> Float[Tensor, "g d"]:
        """The embeddings of all parts."""
        return torch.cat([part.embeddings for part in self.parts])

    @cached_property
    def cases(self) -> Int[Tensor, "g"]:
        """The case of each item."""
        return torch.cat([part.cases for part in self.parts])

    def ranks(self, queries: Rows, pairs: Pairs | None = None, excluded: Int[Tensor, "q"] | None = None) -> Ranks:
        """Ranks of each query's positives, as `retrieval_ranks` counts them.

        Args:
            queries: of one modality.
            pairs: the case of each query and item; default those of the rows.
            excluded: for each query an item that it does not search, where the index holds the query itself.
        """
        pairs = Pairs.of(queries.embeddings, self.rows, pairs or Pairs(queries.cases, self.cases))
        return ranks_by_tile(self._tiles(queries, excluded), self._like(queries), pairs)

    def search(self, queries: Rows, pairs: Pairs, k: int, excluded: Int[Tensor, "q"] | None = None) -> Searched:
        """`ranks` and `nearest` in one pass."""
        pairs = Pairs.of(queries.embeddings, self.rows, pairs)
        k = min(k, len(self.rows) - (excluded is not None))
        return searched_by_tile(self._tiles(queries, excluded), self._like(queries), pairs, k)

    def nearest(self, queries: Rows, k: int, excluded: Int[Tensor, "q"] | None = None) -> Int[Tensor, "q k"]:
        """The k items with the highest scores for each query, the highest first, as `nearest` finds them."""
        k = min(k, len(self.rows) - (excluded is not None))
        return nearest_by_tile(self._tiles(queries, excluded), self._like(queries), len(queries.cases), k)

    def scores(self, queries: Rows) -> Float[Tensor, "q g"]:
        """The scores that a few queries are ranked by, all of them at once."""
        tile = queries.embeddings.new_empty(len(queries.cases), len(self.rows))
        self._tiles(queries, None)(slice(len(tile)), tile)
        return tile

    def are_of(self, items: Int[Tensor, "q k"], modality: str) -> Bool[Tensor, "q k"]:
        """Which of the items are of the modality."""
        found = torch.zeros_like(items, dtype=torch.bool)
        for part, columns in self.columns():
            if part.modality == modality:
                found |= (items >= columns.start) & (items < columns.stop)
        return found

    def columns(self) -> list[tuple[Rows, slice]]:
        """Each part, and the numbers of its items."""
        ends = list(accumulate((len(part.cases) for part in self.parts), initial=0))
        return [(part, slice(ends[i], ends[i + 1])) for i, part in enumerate(self.parts)]

    def _like(self, queries: Rows) -> Float[Tensor, "0 g"]:
        return queries.embeddings.new_empty(0, len(self.rows))

    def _tiles(self, queries: Rows, excluded: Int[Tensor, "q"] | None) -> Tiles:
        plain, stage = cosines(queries.embeddings, self.rows, excluded), self.stage
        if stage is None:
            return plain

        def write(rows: slice, tile: Float[Tensor, "t g"]) -> None:
            plain(rows, tile)
            for part, columns in self.columns():
                tile[:, columns] = stage.adjusted(tile[:, columns], queries.modality, part.modality)

        return write
