"""What metrics that ask for labels share: each of a set's labels is measured by itself."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from closegap.metrics.base import Attempt, Metric, Need
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure, words

LABELS = Need("needs labels, and none were given", lambda couple: bool(couple.embeddings.labels))


def by_label(metric: Metric, couple: Couple, counts: Counts) -> Iterator[Attempt]:
    """One attempt for each of the set's labels; without labels one that says so."""
    if not couple.embeddings.labels:
        yield metric.what, partial(metric.measured, couple, counts)
    for label in couple.embeddings.labels:
        yield f"{metric.what} of {label}", partial(metric.measured, couple.labelled(label), counts)


def of_label(figure: Figure, couple: Couple) -> Figure:
    """The figure of the couple's label: that of all but the set's first labels names it, and is in no short table."""
    if couple.label == next(iter(couple.embeddings.labels)):
        return figure
    return replace(
        figure, name=f"{figure.name}/{couple.label}", label=f"{figure.label} {words(couple.label)}", key=False
    )
