"""The families of metrics that a card holds, under the names of report.json."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

from jaxtyping import Bool, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.distribution import distribution_estimates
from closegap.metrics.geometry import rank_estimates, uniformity_estimates
from closegap.metrics.grouping import grouping_estimates
from closegap.metrics.hubness import hubness_estimates
from closegap.metrics.location import location_estimates
from closegap.metrics.mixed_balanced import balanced_estimates
from closegap.metrics.mixed_counterpart import counterpart_estimates
from closegap.metrics.mixed_graded import graded_estimates
from closegap.metrics.positives import Pairs, Rows, rows_of
from closegap.metrics.probing import probing_estimates
from closegap.metrics.relevance import Relevance, concept_relevance, label_relevance
from closegap.metrics.retrieval import retrieval_estimates, retrieval_ranks
from closegap.metrics.separability import separability_estimates

Counts = Int[Tensor, "b g"]
Measured = dict[str, Sampled]


@dataclass(frozen=True)
class Couple:
    """Two modalities of a set.

    Args:
        embeddings: the set.
        a: the first modality.
        b: the second.
        chosen: the cases, by number, that are measured where all would take too long; None for all.
    """

    embeddings: EmbeddingSet
    a: str
    b: str
    chosen: Bool[Tensor, "c"] | None = None

    @cached_property
    def x(self) -> Rows:
        """The rows of the first."""
        return rows_of(self.embeddings, self.a)

    @cached_property
    def y(self) -> Rows:
        """The rows of the second."""
        return rows_of(self.embeddings, self.b)

    def some(self, rows: Rows) -> Rows:
        """Those of the rows whose case is measured."""
        return rows if self.chosen is None else rows.pick(self.chosen[rows.cases])

    def named(self, name: str) -> str:
        """A metric's public name: modalities stand for x and y.

        Example:
            >>> Couple(EmbeddingSet({}, []), "image", "caption").named("knn_x_to_y")
            'knn/image_to_caption'
        """
        modality = {"x": self.a, "y": self.b}
        stem, _, last = name.rpartition("_")
        if stem.endswith("_to") and last in modality:
            probe, source, _ = stem.split("_")
            return f"{probe}/{modality[source]}_to_{modality[last]}"
        if last in modality:
            return f"{_STEMS.get(stem, stem)}/{modality[last]}"
        return _NAMES.get(name, name)


_STEMS = {"mean_angular_value": "mean_angular"}
_NAMES = {"effective_rank_pooled": "effective_rank", "majority": "probe/majority", "ndcg@10_chance": "ndcg@10/chance"}

Attempt: TypeAlias = tuple[str, Callable[[], Measured]]
"""What is attempted, and the function that measures it or raises UsageError with the reason why it cannot."""

Family: TypeAlias = Callable[[Couple, Counts], Iterator[Attempt]]


def location(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Gap, cosines with their null, relative gap."""
    yield "location", lambda: _public(couple, location_estimates(couple.x, couple.y, counts))


def retrieval(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Recall, ranks and precision over the full gallery, both ways."""
    for direction, queries, gallery in _directions(couple):
        measured = partial(_retrieval, couple.some(queries), gallery, counts)
        yield direction, partial(_prefixed_by, direction, measured)


def geometry(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Uniformities and effective ranks."""
    some = (couple.some(couple.x), couple.some(couple.y))
    yield "uniformities", lambda: _public(couple, uniformity_estimates(*some, counts))
    yield "effective ranks", lambda: _public(couple, rank_estimates(couple.x, couple.y, counts))


def separability(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """How well a classifier tells the modalities apart."""
    yield "separability", lambda: separability_estimates(couple.some(couple.x), couple.some(couple.y), counts)


def distribution(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Distances of the modalities' distributions."""
    yield "distribution", lambda: distribution_estimates(couple.x, couple.y, counts)


def hubness(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """How unevenly items are retrieved, both ways."""
    for direction, queries, gallery in _directions(couple):
        measured = partial(hubness_estimates, couple.some(queries), couple.some(gallery), counts)
        yield f"{direction}, hubness", partial(_prefixed_by, direction, measured)


def mixed(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Search of one index of both modalities for the counterpart of each row of the second."""
    yield "mixed search", lambda: _prefixed("mixed", _counterpart(couple, counts))


def mixed_balanced(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """Search of an index that holds each case in one modality, from a further view of the case."""
    yield "mixed_balanced", lambda: _prefixed("mixed_balanced", _balanced(couple, counts))


def mixed_graded(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """NDCG of one index of both modalities; relevance from concepts, without them from the first labels."""

    def measured() -> Measured:
        x, y = couple.some(couple.x), couple.some(_first(couple.y))
        found = graded_estimates(x, y, _relevance(couple.embeddings), counts)
        return _prefixed("mixed", _public(couple, found))

    yield "mixed/ndcg@10", measured


def grouping(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """k-means on both modalities against each of the labels."""
    yield from _by_labels("v_measure, ari, nmi, homogeneity", grouping_estimates, couple, counts)


def probing(couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """KNN and linear probes of each of the labels, inside and across modalities."""
    yield from _by_labels("probes", probing_estimates, couple, counts)


QUICK: tuple[Family, ...] = (location, retrieval)
"""Where the modalities lie and what is found across them: seconds."""

TASKS: tuple[Family, ...] = (location, retrieval, mixed, mixed_balanced, mixed_graded, grouping)
"""What the frontier shows: the gap and the tasks."""

ALL: tuple[Family, ...] = (*TASKS, probing, separability, distribution, geometry, hubness)
"""Everything; about a minute for 10,000 pairs of 512 dimensions with labels on two cores."""

EXTENTS: Mapping[str, tuple[Family, ...]] = {"quick": QUICK, "tasks": TASKS, "all": ALL}
"""How much is measured, by the name that the command line knows."""


def _directions(couple: Couple) -> Iterator[tuple[str, Rows, Rows]]:
    yield f"{couple.a}_to_{couple.b}", couple.x, couple.y
    yield f"{couple.b}_to_{couple.a}", couple.y, couple.x


def _retrieval(queries: Rows, gallery: Rows, counts: Counts) -> Measured:
    ranks = retrieval_ranks(queries.embeddings, gallery.embeddings, Pairs(queries.cases, gallery.cases))
    return retrieval_estimates(ranks, queries.groups, counts)


def _first(rows: Rows) -> Rows:
    """One row of each case: a second caption would compete with the first one's image."""
    return rows.first_and_further()[0]


def _balanced(couple: Couple, counts: Counts) -> Measured:
    (x, x_further), (y, y_further) = couple.x.first_and_further(), couple.y.first_and_further()
    others = [rows_of(couple.embeddings, m) for m in couple.embeddings.modalities if m not in (couple.a, couple.b)]
    view = next((rows for rows in (y_further, x_further, *others) if len(rows.cases)), None)
    if view is None:
        raise UsageError("balanced search needs a further view of a case (a second row or a third modality): no view")
    return balanced_estimates(x, y, couple.some(view), counts)


def _counterpart(couple: Couple, counts: Counts) -> Measured:
    y = _first(couple.y)
    queries = None if couple.chosen is None else couple.chosen[y.cases].nonzero().squeeze(1)
    return counterpart_estimates(couple.x, y, counts, queries=queries)


def _relevance(embeddings: EmbeddingSet) -> Relevance:
    if embeddings.concepts is not None:
        return concept_relevance(embeddings.concepts)
    for labels in embeddings.labels.values():
        return label_relevance(labels)
    raise UsageError("graded search needs labels or concepts, and none were given")


def _by_labels(what: str, measured: Callable[..., Measured], couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """One attempt for each of the set's labels; the metrics of all but the first end in "/" and the labels' name."""
    if not couple.embeddings.labels:
        yield what, _without_labels
    for number, (name, labels) in enumerate(couple.embeddings.labels.items()):
        suffix = f"/{name}" if number else ""
        yield f"{what} of {name}", partial(_labelled, measured, couple, labels, counts, suffix)


def _without_labels() -> Measured:
    raise UsageError("needs labels, and none were given")


def _labelled(
    measured: Callable[..., Measured], couple: Couple, labels: Sequence[str], counts: Counts, suffix: str
) -> Measured:
    found = _public(couple, measured(couple.some(couple.x), couple.some(couple.y), labels, counts))
    return {name + suffix: value for name, value in found.items()}


def _public(couple: Couple, found: Mapping[str, Sampled]) -> Measured:
    return {couple.named(name): value for name, value in found.items()}


def _prefixed(prefix: str, found: Mapping[str, Sampled]) -> Measured:
    return {f"{prefix}/{name}": value for name, value in found.items()}


def _prefixed_by(prefix: str, measured: Callable[[], Measured]) -> Measured:
    return _prefixed(prefix, measured())
