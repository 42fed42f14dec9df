"""The report card: everything that is measured of one set of embeddings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.location import location_estimates
from closegap.metrics.positives import Pairs, Rows, group_codes, rows_of
from closegap.metrics.retrieval import retrieval_estimates, retrieval_ranks
from closegap.report.report import Arm, Estimate, Skipped

Counts = Int[Tensor, "b g"]
Measured = dict[str, Sampled]


@dataclass(frozen=True)
class Card:
    """Metric name to value with bootstrap draws, and what could not be measured and why."""

    metrics: Mapping[str, Sampled]
    skipped: Sequence[Skipped] = ()

    def arm(self, name: str) -> Arm:
        """The card as a named arm of a report."""
        return Arm(name, {key: Estimate(found.value, found.low, found.high) for key, found in self.metrics.items()})


def measure(embeddings: EmbeddingSet, counts: Counts) -> Card:
    """The card of a set.

    Args:
        embeddings: two modalities at least.
        counts: how often each group is drawn in each resample (`resample_counts`); cards that share them are paired.
    """
    metrics: Measured = {}
    skipped: list[Skipped] = []
    pairs = list(combinations(embeddings.modalities, 2))
    for a, b in pairs:
        prefix = f"{a}|{b}:" if len(pairs) > 1 else ""
        for what, found in _attempts(embeddings, a, b, counts):
            try:
                metrics |= {_named(name, prefix): value for name, value in found().items()}
            except UsageError as error:
                skipped.append(Skipped(prefix + what, str(error)))
    return Card(metrics, skipped)


def _attempts(embeddings: EmbeddingSet, a: str, b: str, counts: Counts) -> Iterator[tuple[str, Callable[[], Measured]]]:
    """What is measured of one pair of modalities: a name and a function that measures or says why it cannot."""
    x, y = rows_of(embeddings, a), rows_of(embeddings, b)
    yield "location", lambda: _location(a, x, b, y, counts)
    yield f"{a}_to_{b}", lambda: _retrieval(f"{a}_to_{b}", x, y, counts)
    yield f"{b}_to_{a}", lambda: _retrieval(f"{b}_to_{a}", y, x, counts)


def _location(a: str, x: Rows, b: str, y: Rows, counts: Counts) -> Measured:
    names = {"mean_angular_value_x": f"mean_angular/{a}", "mean_angular_value_y": f"mean_angular/{b}"}
    return {names.get(name, name): value for name, value in location_estimates(x, y, counts).items()}


def _retrieval(direction: str, queries: Rows, gallery: Rows, counts: Counts) -> Measured:
    ranks = retrieval_ranks(queries.embeddings, gallery.embeddings, Pairs(queries.cases, gallery.cases))
    found = retrieval_estimates(ranks, queries.groups, counts)
    return {f"{direction}/{name}": value for name, value in found.items()}


def _named(name: str, prefix: str) -> str:
    return name if name.startswith("mean_angular/") else prefix + name


def group_count(embeddings: EmbeddingSet) -> int:
    """How many groups the bootstrap of this set resamples."""
    return int(group_codes(embeddings).max()) + 1


def mean_card(cards: Sequence[Card]) -> Card:
    """The mean over cards of one setting (its seeds): values and draws are averaged resample by resample.

    The interval of the mean then says what other cases would have given, seeds held; their spread is reported apart.
    """
    names = [name for name in cards[0].metrics if all(name in card.metrics for card in cards)]
    metrics = {name: _mean([card.metrics[name] for card in cards]) for name in names}
    return Card(metrics, cards[0].skipped)


def _mean(found: Sequence[Sampled]) -> Sampled:
    return Sampled(sum(one.value for one in found) / len(found), torch.stack([one.draws for one in found]).mean(0))
