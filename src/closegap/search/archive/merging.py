"""One list of the rows of several modalities."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from closegap.errors import UsageError
from closegap.search.archive.about import Modality
from closegap.search.archive.answer import Answer, Hit
from closegap.search.archive.asked import Asked
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.feed import CONTENT
from closegap.search.archive.query import Query
from closegap.search.filter import Filter
from closegap.search.index import Index
from closegap.search.row import Row


def merged(
    index: Index, modalities: Mapping[str, Modality], query: Query, asked: Asked, corrections: Corrections
) -> Answer:
    """The answer to a question, of version 0.

    A stage keeps the order within a modality, so that the best of each modality are enough to merge the best of all.

    Args:
        index: of the archive.
        modalities: of the archive.
        query: with a condition that was read.
        asked: its vectors.
        corrections: that hold.

    Raises:
        UsageError: a modality that is not in the archive.
    """
    for name in (*query.within, *query.quotas):
        if name not in modalities:
            raise UsageError(f"modality '{name[:80]}' is not in the archive, which has {', '.join(modalities)}")
    assert not isinstance(query.where, str)
    merging = _Merging(index, modalities, query, query.where, asked, corrections)
    there = index.stats().widths
    best = {name: merging.best(name) for name in query.within or modalities if name in there}
    found = sorted((one for of in best.values() for one in of), key=merging.rank, reverse=True)
    left, listed = Counter(query.quotas), list[_Scored]()
    for one in found:
        if one.modality not in query.quotas or left[one.modality] > 0:
            left[one.modality] -= 1
            listed.append(one)
    relevance = "" if corrections.calibration is None else corrections.calibration.relevance
    p_value = merging.p_value({name: of for name, of in best.items() if of})
    return Answer(
        merging.hits(listed[: query.k]),
        asked.modality,
        query.merge,
        0,
        relevance,
        _notes(query, asked),
        p_value,
        None if p_value is None else p_value <= query.alpha,
    )


def _notes(query: Query, asked: Asked) -> list[str]:
    if len(query.parts) < 2:
        return []
    return [f"several parts: scores and probabilities are those of a question in {asked.modality}"]


@dataclass(frozen=True)
class _Scored:
    """A row with what it is ranked by in either merge, and its inner product once both are moved."""

    modality: str
    row: Row
    cosine: float
    score: float
    product: float


@dataclass(frozen=True, eq=False)
class _Merging:
    """A question that is being answered; see `merged`."""

    index: Index
    modalities: Mapping[str, Modality]
    query: Query
    where: Filter | None
    asked: Asked
    corrections: Corrections

    def rank(self, one: _Scored) -> float:
        """What the list is ordered by, highest first."""
        return one.cosine if self.query.merge == "cosine" else one.score

    def best(self, modality: str) -> list[_Scored]:
        """The best rows of a modality, best first."""
        asked, corrections = self.asked, self.corrections
        raw, moved = (modality, asked.raw), (corrections.partition(modality), asked.moved)
        partition, vector = raw if self.query.merge == "cosine" else moved
        rows = self._nearest(partition, vector, modality, self.query.k)
        cosines, products = self._products(*raw, rows), self._products(*moved, rows)
        kept = [row for row in rows if row.id in cosines and row.id in products]  # others have gone since
        scores = corrections.adjusted(
            torch.tensor([products[row.id] for row in kept], dtype=torch.float64), asked.moved, asked.modality, modality
        )
        return [
            _Scored(modality, row, cosines[row.id], score, products[row.id])
            for row, score in zip(kept, scores.tolist(), strict=True)
        ]

    def p_value(self, best: Mapping[str, Sequence[_Scored]]) -> float | None:
        """That of the question, of the best of each modality, as `Unanswered` has it.

        Args:
            best: modality to some of its rows, the best among them, by moved rows or by raw ones.
        """
        unanswered = self.corrections.unanswered
        if unanswered is None or not best:
            return None
        highest = {name: max(one.product for one in of) for name, of in best.items()}
        if self.query.merge == "cosine" and self.corrections.posthoc is not None:  # these are the best raw rows
            for name in best:
                partition = self.corrections.partition(name)
                rows = self._nearest(partition, self.asked.moved, name, 1)
                highest[name] = max(self._products(partition, self.asked.moved, rows).values(), default=highest[name])
        candidates = {name: self.index.count(name, self.where) for name in best}
        return unanswered.p_value(highest, self.asked.modality, candidates)

    def hits(self, listed: Sequence[_Scored]) -> list[Hit]:
        """The rows with what they are worth, and what is shown of them."""
        found = {
            (hit.modality, hit.id): hit
            for name in {one.modality for one in listed}
            for hit in self._hits(name, [one for one in listed if one.modality == name])
        }
        return [hit for one in listed if (hit := found.get((one.modality, one.row.id)))]

    def _nearest(self, partition: str, query: Float[torch.Tensor, "d"], modality: str, k: int) -> list[Row]:
        """The rows of a partition that are nearest, best first, without those that ask."""
        own = self.asked.own.get(modality, set())
        wanted = k + len(self.index.ids(modality, sorted(own)) if own else ())
        found = self.index.search(partition, query.float().numpy()[None], wanted, self.where, self.query.exact)
        return [row for row in found.rows[0] if row.case not in own][:k]

    def _hits(self, modality: str, listed: Sequence[_Scored]) -> Iterator[Hit]:
        texts = {}
        if not self.modalities[modality].visual:
            read = self.index.read(modality, [one.row.id for one in listed])
            shown = zip(read.rows, read.previews or (), strict=True)
            texts = {row.id: bytes(preview).decode(errors="replace") for row, preview in shown}
        scores = torch.tensor([one.score for one in listed], dtype=torch.float64)
        candidates = self.index.count(modality, self.where)
        worth = self.corrections.worth(scores, self.asked.modality, modality, candidates, self.query.alpha)
        for one, probability, answers in zip(listed, *worth, strict=True):
            row, text = one.row, texts.get(one.row.id, "")
            own = (row.id, row.case, row.group)
            payload = {key: value for key, value in row.payload.items() if key != CONTENT}
            yield Hit(modality, *own, one.cosine, one.score, probability, answers, text, payload)

    def _products(self, partition: str, query: Float[torch.Tensor, "d"], rows: Sequence[Row]) -> dict[str, float]:
        """The query's inner products with some rows, by id, in double precision."""
        read = self.index.read(partition, [row.id for row in rows])
        products = (read.vectors.astype(np.float64) * query.numpy()).sum(axis=1)
        return {row.id: product for row, product in zip(read.rows, products.tolist(), strict=True)}
