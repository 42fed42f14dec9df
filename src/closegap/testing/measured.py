"""What a metric measures of two modalities, as reports ask for it."""

from dataclasses import dataclass, field

from closegap.embeddings import EmbeddingSet
from closegap.errors import MissingExtraError, UsageError
from closegap.metrics.base import Metric
from closegap.metrics.bootstrap import Sampled, resample_counts
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.positives import group_codes

RESAMPLES = 6


@dataclass(frozen=True)
class Found:
    """What was measured of two modalities, and why the rest was not.

    Args:
        numbers: in the order in which they came.
        reasons: of what was left out.
    """

    numbers: list[tuple[Figure, Sampled]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def by_name(self) -> dict[str, Sampled]:
        """The numbers alone, by the names of their figures."""
        return {figure.name: value for figure, value in self.numbers}


def resamples(embeddings: EmbeddingSet) -> Counts:
    """How often each group of the set is drawn."""
    return resample_counts(int(group_codes(embeddings).max()) + 1, RESAMPLES)


def measured(metric: Metric, couple: Couple, counts: Counts | None = None) -> Found:
    """What a metric measures of two modalities.

    Raises:
        AssertionError: an attempt without a name, or another exception than those that leave a number out.
    """
    found = Found()
    for what, attempt in metric.attempts(couple, resamples(couple.embeddings) if counts is None else counts):
        if not what:
            raise AssertionError("an attempt has no name, by which a report could say that it failed")
        try:
            found.numbers.extend(attempt().items())
        except (UsageError, MissingExtraError) as error:
            found.reasons.append(str(error))
        except Exception as error:
            told = f"{what!r} raises {type(error).__name__} ({' '.join(str(error).split())[:200]})"
            raise AssertionError(f"{told}; raise UsageError where data do not allow it") from error
    return found


def first_pair(embeddings: EmbeddingSet) -> Couple:
    """The first two modalities of the set."""
    a, b = list(embeddings.modalities)[:2]
    return Couple.of(embeddings, a, b)
