"""The report card: everything that is measured of one set of embeddings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import isfinite

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import MissingExtraError, UsageError
from closegap.evaluation.report import Arm, Estimate, Skipped
from closegap.evaluation.sampling import is_sampled, sampled_cases
from closegap.metrics.base import Attempt, Metric
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.calibrator import Calibrator
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.positives import group_codes
from closegap.metrics.stage import Stage
from closegap.metrics.standard import standard_metrics


@dataclass(frozen=True)
class Card:
    """What was measured of one set.

    Args:
        metrics: full name to value with bootstrap draws.
        skipped: what could not be measured, and why.
        figures: full name to what the number is.
        of_scores: the full names of what a score stage may change.
        couples: the pairs of modalities that it was measured of, with what was computed once for all metrics.
    """

    metrics: Mapping[str, Sampled]
    skipped: Sequence[Skipped] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    of_scores: frozenset[str] = frozenset()
    couples: Mapping[tuple[str, str], Couple] = field(default_factory=dict, repr=False, compare=False)

    def arm(self, name: str) -> Arm:
        """The card as a named arm of a report."""
        return Arm(name, {key: Estimate(found.value, found.low, found.high) for key, found in self.metrics.items()})


def measure(
    embeddings: EmbeddingSet,
    counts: Counts,
    metrics: Sequence[Metric] | None = None,
    *,
    in_full: bool = False,
    stage: Stage | None = None,
    plain: Card | None = None,
    calibration: Calibrator | None = None,
) -> Card:
    """The card of a set.

    Args:
        embeddings: two modalities at least.
        counts: how often each group is drawn in each resample (`resample_counts`); cards that share them are paired.
        metrics: what is measured; all of `standard_metrics` by default.
        in_full: measure all cases, however many; by default sets of more than 50,000 are sampled (`sampling`).
        stage: what scores go through where one index holds both modalities.
        plain: the card of the same set without a stage, whose numbers stand where no stage changes them.
        calibration: what says how probable it is that a target is relevant.

    Raises:
        UsageError: two metrics call their numbers alike.
    """
    _ = embeddings.width  # cosines are of one space
    chosen = standard_metrics() if metrics is None else metrics
    pairs = list(combinations(embeddings.modalities, 2))
    cases = sampled_cases(len(set(embeddings.ids))) if is_sampled(embeddings, in_full) else None
    cards, couples = [], dict[tuple[str, str], Couple]()
    for a, b in pairs:
        known = None if plain is None else plain.couples.get((a, b))
        couple = (known or Couple.of(embeddings, a, b, cases)).under(stage, calibration)
        couples[a, b] = couple
        for metric in chosen:
            if plain is None or metric.takes_scores:
                found = attempted(metric.attempts(couple, counts), f"{a}|{b}" if len(pairs) > 1 else "")
                cards.append(replace(found, of_scores=frozenset(found.metrics if metric.takes_scores else ())))
    measured = _joined(cards)
    return replace(measured if plain is None else _laid_over(plain, measured), couples=couples)


def attempted(attempts: Iterable[Attempt], pair: str = "") -> Card:
    """The card of what can be measured; what cannot, or is no number on these data, is left out with the reason.

    Args:
        attempts: what is attempted, and the functions that measure it.
        pair: of modalities that it is measured of, where there are several.

    Raises:
        UsageError: two metrics call their numbers alike.
    """
    cards: list[Card] = []
    for what, found in attempts:
        try:
            measured = {figure.of(pair): value for figure, value in found().items()}
        except (UsageError, MissingExtraError) as error:
            cards.append(Card({}, [Skipped(f"{pair}:{what}" if pair else what, str(error))]))
            continue
        known = {figure: value for figure, value in measured.items() if isfinite(value.value)}
        unknown = [figure.full_name for figure in measured if figure not in known]
        cards.append(
            Card(
                {figure.full_name: value for figure, value in known.items()},
                [Skipped(name, "not a number on these data") for name in unknown],
                {figure.full_name: figure for figure in known},
            )
        )
    return _joined(cards)


def _joined(cards: Sequence[Card]) -> Card:
    """One card of what several hold; what two of them leave out for one reason is said once."""
    metrics: dict[str, Sampled] = {}
    figures: dict[str, Figure] = {}
    for card in cards:
        metrics |= card.metrics
        for name, figure in card.figures.items():
            if figures.setdefault(name, figure) != figure:
                raise UsageError(f"two metrics call a number {name!r}; give the figure of one of them another name")
    skipped = list(dict.fromkeys(item for card in cards for item in card.skipped))
    return Card(metrics, skipped, figures, frozenset().union(*(card.of_scores for card in cards)))


def _laid_over(plain: Card, staged: Card) -> Card:
    """The plain card with what a stage may change replaced by what was measured with one."""
    kept = {name: value for name, value in plain.metrics.items() if name not in plain.of_scores}
    found = {**kept, **staged.metrics}
    in_order = dict.fromkeys([*plain.metrics, *staged.metrics])
    return replace(_joined([plain, staged]), metrics={name: found[name] for name in in_order if name in found})


def group_count(embeddings: EmbeddingSet) -> int:
    """How many groups the bootstrap of this set resamples."""
    return int(group_codes(embeddings).max()) + 1


def mean_card(cards: Sequence[Card]) -> Card:
    """The mean over cards of one setting (its seeds): values and draws are averaged resample by resample.

    The interval of the mean then says what other cases would have given, seeds held; their spread is reported apart.
    """
    names = [name for name in cards[0].metrics if all(name in card.metrics for card in cards)]
    metrics = {name: _mean([card.metrics[name] for card in cards]) for name in names}
    skipped = list(dict.fromkeys(item for card in cards for item in card.skipped))
    return Card(metrics, skipped, {name: figure for name, figure in cards[0].figures.items() if name in metrics})


def _mean(found: Sequence[Sampled]) -> Sampled:
    return Sampled(sum(one.value for one in found) / len(found), torch.stack([one.draws for one in found]).mean(0))
