"""Rows of an embedding set, of whichever model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.files import digest
from closegap.search.archive.about import Modality
from closegap.search.archive.feed import CONTENT, Draft, Feed, payload, row_id
from closegap.search.row import Row

_ROWS = 1024  # of a piece, or a case's if it has more


class FeedOfSet(Feed):
    """Rows of an embedding set; an item is the number of its row.

    Args:
        embeddings: with unit-norm rows, those of a case one after the other.

    Raises:
        DataError: modalities of different width, or rows of a case that do not stand together.
    """

    def __init__(self, embeddings: EmbeddingSet) -> None:
        _ = embeddings.width
        self._set = embeddings
        self.modalities: Mapping[str, Modality] = {name: Modality() for name in embeddings.modalities}
        self.labels = tuple(embeddings.labels)
        self._cases = [list(rows) for _, rows in groupby(range(len(embeddings.ids)), embeddings.ids.__getitem__)]
        self.cases = len(self._cases)
        if self.cases > len(set(embeddings.ids)):
            raise DataError("rows of one id do not stand together; sort the set by its ids")

    def case_ids(self) -> Iterable[str]:
        """See `Feed`."""
        return [str(name) for name in self._set.ids]

    def pieces(self) -> Iterator[Mapping[str, Sequence[Draft]]]:
        """See `Feed`."""
        piece: list[list[int]] = []
        for case in self._cases:
            if piece and sum(map(len, piece)) + len(case) > _ROWS:
                yield self._drafts(piece)
                piece = []
            piece.append(case)
        if piece:
            yield self._drafts(piece)

    def vectors(self, modality: str, items: Sequence[Any]) -> Float[np.ndarray, "n d"]:
        """See `Feed`."""
        found: np.ndarray = self._set.embeddings[modality][list(items)].float().numpy()
        return found

    def preview(self, modality: str, item: Any) -> bytes:
        """Nothing: a set has no items."""
        return b""

    def _drafts(self, cases: Sequence[Sequence[int]]) -> dict[str, list[Draft]]:
        found: dict[str, list[Draft]] = {}
        for name in self._set.modalities:
            mask = self._set.mask(name)
            drafts = []
            for case in cases:
                there = [row for row in case if mask[row]]
                drafts += [self._draft(name, row, view) for view, row in enumerate(there)]
            if drafts:
                found[name] = drafts
        return found

    def _draft(self, modality: str, row: int, view: int) -> Draft:
        held, case = self._set, str(self._set.ids[row])
        labels = {name: values[row] for name, values in held.labels.items()}
        known = payload("", labels, () if held.concepts is None else held.concepts[row], {})
        known[CONTENT] = digest(held.embeddings[modality][row].contiguous().numpy().tobytes())
        group = case if held.groups is None else str(held.groups[row])
        return Draft(Row(row_id(case, view), case, group, known), row)
