"""The report card: everything that is measured of one set of embeddings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import MissingExtraError, UsageError
from closegap.evaluation.measures import ALL, Attempt, Counts, Couple, Family, Measured
from closegap.evaluation.report import Arm, Estimate, Skipped
from closegap.evaluation.sampling import is_sampled, sampled_cases
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.positives import group_codes

_OF_ONE = ("mean_angular/", "uniformity/", "effective_rank/")


@dataclass(frozen=True)
class Card:
    """Metric name to value with bootstrap draws, and what could not be measured and why."""

    metrics: Mapping[str, Sampled]
    skipped: Sequence[Skipped] = ()

    def arm(self, name: str) -> Arm:
        """The card as a named arm of a report."""
        return Arm(name, {key: Estimate(found.value, found.low, found.high) for key, found in self.metrics.items()})


def measure(
    embeddings: EmbeddingSet, counts: Counts, families: Sequence[Family] = ALL, *, in_full: bool = False
) -> Card:
    """The card of a set.

    Args:
        embeddings: two modalities at least.
        counts: how often each group is drawn in each resample (`resample_counts`); cards that share them are paired.
        families: what is measured; `QUICK` where it is done often.
        in_full: measure all cases, however many; by default sets of more than 50,000 are sampled (`sampling`).
    """
    metrics: Measured = {}
    skipped: list[Skipped] = []
    pairs = list(combinations(embeddings.modalities, 2))
    chosen = sampled_cases(len(set(embeddings.ids))) if is_sampled(embeddings, in_full) else None
    for a, b in pairs:
        couple = Couple(embeddings, a, b, chosen)
        attempts = (attempt for family in families for attempt in family(couple, counts))
        found = attempted(attempts, f"{a}|{b}:" if len(pairs) > 1 else "")
        metrics |= found.metrics
        skipped += found.skipped
    return Card(metrics, skipped)


def attempted(attempts: Iterable[Attempt], prefix: str = "") -> Card:
    """The card of what can be measured; what cannot, or is no number on these data, is left out with the reason.

    Args:
        attempts: what is attempted, and the functions that measure it.
        prefix: of the names of what is measured.
    """
    metrics: Measured = {}
    skipped: list[Skipped] = []
    for what, found in attempts:
        try:
            measured = found()
        except (UsageError, MissingExtraError) as error:
            skipped.append(Skipped(prefix + what, str(error)))
            continue
        metrics |= {_named(name, prefix): value for name, value in measured.items() if isfinite(value.value)}
        skipped += [
            Skipped(_named(name, prefix), "not a number on these data")
            for name, value in measured.items()
            if not isfinite(value.value)
        ]
    return Card(metrics, skipped)


def _named(name: str, prefix: str) -> str:
    """With the pair in front, unless the metric is of one modality alone."""
    return name if name.startswith(_OF_ONE) else prefix + name


def group_count(embeddings: EmbeddingSet) -> int:
    """How many groups the bootstrap of this set resamples."""
    return int(group_codes(embeddings).max()) + 1


def mean_card(cards: Sequence[Card]) -> Card:
    """The mean over cards of one setting (its seeds): values and draws are averaged resample by resample.

    The interval of the mean then says what other cases would have given, seeds held; their spread is reported apart.
    """
    names = [name for name in cards[0].metrics if all(name in card.metrics for card in cards)]
    metrics = {name: _mean([card.metrics[name] for card in cards]) for name in names}
    return Card(metrics, list(dict.fromkeys(item for card in cards for item in card.skipped)))


def _mean(found: Sequence[Sampled]) -> Sampled:
    return Sampled(sum(one.value for one in found) / len(found), torch.stack([one.draws for one in found]).mean(0))
