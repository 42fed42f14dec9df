"""The same search before and after: what one query finds in one index of two modalities, under two arms."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from markupsafe import Markup
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.compare import Comparison, Result
from closegap.metrics.figure import words
from closegap.metrics.index import MixedIndex
from closegap.metrics.mixed_counterpart import OWN_MODALITY_SHARE, counterpart_ranks
from closegap.metrics.positives import Rows, rows_of
from closegap.report.figures import Control, Section
from closegap.report.html import render
from closegap.report.sections.queries import Item, Shown
from closegap.report.verdict import ONE_INDEX, Verdict, candidates, too_few_seeds, verdicts

_TOP = 10
_ASKING = 2_000  # queries among which one is chosen
_PLACES = {"median": ("Median query", 0.5), "low": ("Lower quartile", 0.25), "high": ("Upper quartile", 0.75)}


@dataclass(frozen=True)
class Found:
    """One of the ten items that a query finds.

    Args:
        modality: its modality in words.
        color: number of the colour of its modality.
        own: whether it is of the query's modality.
        match: whether it is the counterpart: of the query's case, in the other modality.
        related: what it has in common with the query; "" where nothing is known.
        id: of its case; "" where cases are not shown.
        item: what is shown of it; None where it is not at hand.
    """

    modality: str
    color: int
    own: bool
    match: bool
    related: str
    id: str
    item: Item | None


@dataclass(frozen=True)
class Searched:
    """What a query finds under one arm.

    Args:
        arm: its name.
        rank: of the counterpart, from 1.
        gallery: how many items were searched.
        hits: the ten nearest, best first.
        missed: the counterpart, where it is not among them.
        mean_share: the share of the query's own modality among the ten over all queries, as written; "" if unknown.
    """

    arm: str
    rank: int
    gallery: int
    hits: Sequence[Found]
    missed: Found | None
    mean_share: str

    @property
    def own(self) -> int:
        """How many of the hits are of the query's own modality."""
        return sum(hit.own for hit in self.hits)


@dataclass(frozen=True)
class _Index:
    """The index of an arm, and the counterpart's rank for every query that has one."""

    result: Result
    x: Rows
    y: Rows
    asking: Int[Tensor, "q"]
    ranks: Int[Tensor, "q"]


def one_search(comparison: Comparison, shown: Shown | None, *, named: bool = True) -> Section | None:
    """What one query finds under the first arm and under the arm of most worth; None where no index holds two.

    The index and the queries are those of `MixedCounterpart`: queries of the second modality, among all items of the
    first and all other items of the second. The query is the one whose counterpart changes its rank by the median;
    those at the quartiles can be chosen. Of more than two modalities the pair is that of the largest gain.

    Args:
        comparison: with its first results.
        shown: how a row is shown; None shows ids alone.
        named: whether ids, labels and concepts may be shown.
    """
    verdict = _of_most_worth(comparison)
    first = comparison.firsts.get(comparison.baseline)
    if first is None:
        return None
    a, b = verdict.pair.split("|") if verdict and verdict.pair else first.embeddings.modalities[:2]
    subject = _subject(comparison, verdict)
    arms = [first] if subject is None else [first, subject]
    indices = [_index(result, a, b) for result in arms]
    if not len(indices[0].ranks):
        return None
    blocks, notes = [], {}
    for place, (_, share) in _PLACES.items():
        query = _chosen(indices, share)
        y = indices[0].y
        row = int(y.index[indices[0].asking[query]])
        asked = _found(first.embeddings, row, b, row, 1, b, shown, named=named)
        blocks.append(
            (
                {"query": place},
                asked,
                [_searched(comparison, index, query, (a, b), shown, named=named) for index in indices],
            )
        )
        notes[place] = _how(len(indices[0].ranks), share, changed=len(indices) > 1)
    pictures: dict[Markup, int] = {}
    for _, asked, searched in blocks:
        for found in (asked, *(hit for one in searched for hit in (*one.hits, one.missed))):
            if found is not None and found.item is not None and found.item.visual:
                pictures.setdefault(found.item.html, len(pictures))
    claim = _claim(comparison, verdict, subject)
    indexed = f"one index that holds all of {words(a)} and all others of {words(b)}"
    return Section(
        title="The same search, before and after" if len(arms) > 1 else "What one query finds",
        lead=f"An item of {words(b)} asks {indexed}. {claim}".strip(),
        html=render("one_search.html", blocks=blocks, pictures=pictures, query=words(b), target=words(a)),
        controls=[Control("query", "Query", {place: label for place, (label, _) in _PLACES.items()}, notes=notes)],
        shared={"pictures": list(pictures)},
    )


def _of_most_worth(comparison: Comparison) -> Verdict | None:
    """The verdict on one index of the pair of modalities with the most to say."""
    of_index = [one for one in verdicts(comparison) if one.task == ONE_INDEX]
    return max(of_index, key=lambda one: (one.arm is not None, one.merit, bool(one.shown)), default=None)


def _subject(comparison: Comparison, verdict: Verdict | None) -> Result | None:
    """The arm that pays, else the one with the highest figures, else the last."""
    name = "" if verdict is None else verdict.arm or verdict.highest
    if not name and (others := candidates(comparison.report)[1:]):
        name = others[-1].name
    return None if name in ("", comparison.baseline) else comparison.firsts.get(name)


def _claim(comparison: Comparison, verdict: Verdict | None, subject: Result | None) -> str:
    if subject is None or (verdict is not None and verdict.arm is not None):
        return ""
    seeds = too_few_seeds(comparison.report)
    return f"{seeds.capitalize()}: nothing is claimed." if seeds else "No gain that this sample can tell."


def _index(result: Result, a: str, b: str) -> _Index:
    x, y = rows_of(result.embeddings, a), rows_of(result.embeddings, b).first_and_further()[0]
    asking = torch.randperm(len(y.cases), generator=torch.Generator().manual_seed(0))[:_ASKING].sort().values
    ranks = counterpart_ranks(x, y, asking, result.stage)
    return _Index(result, x, y, asking[ranks.queries], ranks.best)


def _chosen(indices: Sequence[_Index], share: float) -> int:
    """The query at this share of all, ordered by how many ranks its counterpart gains, or by its rank alone.

    Of equal ones that whose counterpart's rank before is nearest the median.
    """
    before = indices[0].ranks
    order = -before if len(indices) == 1 else before - indices[1].ranks
    at = order.sort().values[round(share * (len(order) - 1))]
    equal = (order == at).nonzero().squeeze(1)
    return int(equal[(before[equal] - before.median()).abs().argmin()])


def _how(queries: int, share: float, *, changed: bool) -> str:
    measure = "by how many ranks its counterpart gains" if changed else "by the rank of its counterpart, worst first"
    place = {0.5: "in the middle", 0.25: "after the first quarter", 0.75: "after three quarters"}[share]
    return f"Chosen by rule, not picked: of {queries:,} queries, ordered {measure}, the one {place}."


def _searched(
    comparison: Comparison, index: _Index, query: int, names: tuple[str, str], shown: Shown | None, *, named: bool
) -> Searched:
    x, y, embeddings = index.x, index.y, index.result.embeddings
    own = index.asking[query : query + 1]
    mixed = MixedIndex((x, y), index.result.stage)
    items = mixed.nearest(y.pick(own), _TOP, excluded=len(x.cases) + own)[0].tolist()
    hits = []
    for item in items:
        of_y = item >= len(x.cases)
        row = int(y.index[item - len(x.cases)]) if of_y else int(x.index[item])
        hits.append(_found(embeddings, row, names[of_y], int(y.index[own]), int(of_y), names[1], shown, named=named))
    asking = int(y.index[own])
    counterpart = int(x.index[(x.cases == y.cases[own]).nonzero()[0]])
    missed = _found(embeddings, counterpart, names[0], asking, 0, names[1], shown, named=named)
    pair = f"{names[0]}|{names[1]}:" if len(embeddings.modalities) > 2 else ""
    figure = comparison.report.figures.get(f"{pair}{OWN_MODALITY_SHARE.name}")
    share = None if figure is None else comparison.report.arm(index.result.arm).metrics.get(figure.full_name)
    return Searched(
        index.result.arm,
        int(index.ranks[query]),
        len(x.cases) + len(y.cases) - 1,
        hits,
        None if any(hit.match for hit in hits) else missed,
        "" if figure is None or share is None else figure.text(share.value),
    )


def _found(
    embeddings: EmbeddingSet,
    row: int,
    modality: str,
    query: int,
    color: int,
    query_modality: str,
    shown: Shown | None,
    *,
    named: bool,
) -> Found:
    own = modality == query_modality
    match = not own and embeddings.ids[row] == embeddings.ids[query]
    return Found(
        words(modality),
        color,
        own,
        match,
        _related(embeddings, row, query) if named and not match and row != query else "",
        embeddings.ids[row] if named else "",
        shown[modality](row) if shown is not None else None,
    )


def _related(embeddings: EmbeddingSet, row: int, query: int) -> str:
    """What two cases have in common: concepts, or without them the first of the labels."""
    if embeddings.concepts is not None:
        common = len(set(embeddings.concepts[row]) & set(embeddings.concepts[query]))
        return f"{common} shared concept{'s' * (common > 1)}" if common else ""
    labels: tuple[str, Sequence[str]] | None = next(iter(embeddings.labels.items()), None)
    if labels is None or not labels[1][row] or labels[1][row] != labels[1][query]:
        return ""
    return f"same {words(labels[0])}"
