"""Every query against every target of another modality, with what is relevant, some queries at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.positives import Rows
from closegap.metrics.relevance import Relevance, concept_relevance, label_relevance
from closegap.metrics.stage import Stage

RelevanceKind: TypeAlias = Literal["pairs", "labels", "concepts"]

Judged: TypeAlias = Callable[[Rows, Rows], tuple[Bool[Tensor, "q g"], Bool[Tensor, "q g"]]]
"""Whether rows of a gallery (second) are relevant to rows that ask (first), and whether that is known."""

_SCORES_AT_ONCE = 2**21
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True)
class Tile:
    """Some queries against the whole gallery.

    Args:
        rows: which queries.
        scores: what their cosines became.
        relevant: which targets are relevant; none that does not count is.
        counted: which targets count.
    """

    rows: slice
    scores: Float[Tensor, "q g"]
    relevant: Bool[Tensor, "q g"]
    counted: Bool[Tensor, "q g"]


@dataclass(frozen=True)
class Population:
    """Every query against every target.

    What does not count is the query itself, a target whose relevance is not known, and one of the query's group that is
    not of its own case: a further figure of the same article is neither its pair nor a fair example of what is not.

    Args:
        queries: the rows that ask.
        gallery: the rows that are searched.
        judged: what is relevant.
        stage: what cosines go through; None for nothing.
    """

    queries: Rows
    gallery: Rows
    judged: Judged
    stage: Stage | None = None

    def tiles(self) -> Iterator[Tile]:
        """All of it in O(g) memory."""
        step = max(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // max(1, len(self.gallery.cases)))
        for start in range(0, len(self.queries.cases), step):
            rows = slice(start, min(start + step, len(self.queries.cases)))
            some = self.queries.pick(torch.arange(rows.start, rows.stop))
            scores = some.embeddings @ self.gallery.embeddings.T
            if self.stage is not None:
                scores = self.stage.adjusted(scores, self.queries.modality, self.gallery.modality)
            relevant, counted = self.judged(some, self.gallery)
            own = some.cases[:, None] == self.gallery.cases
            counted = counted & (own | (some.groups[:, None] != self.gallery.groups))
            if self.queries.modality == self.gallery.modality:
                counted &= some.index[:, None] != self.gallery.index
            yield Tile(rows, scores, relevant & counted, counted)


def judged_by(embeddings: EmbeddingSet, kind: RelevanceKind, at_least: float = 0.5, label: str = "") -> Judged:
    """What is relevant to what in a set.

    Args:
        embeddings: the set that rows are of.
        kind: "pairs": rows of one case; "labels": rows of one label; "concepts": rows whose concepts overlap.
        at_least: the Jaccard overlap from which concepts are relevant.
        label: which of the set's labels; "" for the first.

    Raises:
        UsageError: the set has no such labels, or no concepts.
    """
    if kind == "pairs":
        return _of_one_case
    if kind == "concepts":
        if embeddings.concepts is None:
            raise UsageError("relevance by concepts asked for, but the set has none; give sets with concepts, or pairs")
        known = torch.tensor([bool(row) for row in embeddings.concepts])
        return _graded(concept_relevance(embeddings.concepts), known, at_least)
    named = label or next(iter(embeddings.labels), "")
    if named not in embeddings.labels:
        there = ", ".join(embeddings.labels) or "none"
        raise UsageError(
            f"relevance by labels {named!r} asked for, but the set has {there}; name one of them, or pairs"
        )
    column = embeddings.labels[named]
    return _graded(label_relevance(column), torch.tensor([text != "" for text in column]), 1.0)


def _of_one_case(queries: Rows, gallery: Rows) -> tuple[Bool[Tensor, "q g"], Bool[Tensor, "q g"]]:
    own = queries.cases[:, None] == gallery.cases
    return own, torch.ones_like(own)


def _graded(relevance: Relevance, known: Bool[Tensor, "n"], at_least: float) -> Judged:
    def judged(queries: Rows, gallery: Rows) -> tuple[Bool[Tensor, "q g"], Bool[Tensor, "q g"]]:
        asking = queries.index
        return relevance(asking, gallery.index) >= at_least, known[asking, None] & known[gallery.index]

    return judged
