"""The metrics of a report, in the order in which it is read."""

from closegap.metrics.base import Metric
from closegap.metrics.distribution import Distribution
from closegap.metrics.extents import EXTENTS, Extent
from closegap.metrics.geometry import EffectiveRanks, Uniformities
from closegap.metrics.grouping import Grouping
from closegap.metrics.hubness import Hubness
from closegap.metrics.location import Cones, Location
from closegap.metrics.mixed_balanced import MixedBalanced
from closegap.metrics.mixed_counterpart import MixedCounterpart
from closegap.metrics.mixed_graded import MixedGraded
from closegap.metrics.mixed_matched import MixedMatched
from closegap.metrics.probing import Probing
from closegap.metrics.relinkage import Relinkage
from closegap.metrics.retrieval import Retrieval
from closegap.metrics.separability import Separability

_IN_READING_ORDER: tuple[type[Metric], ...] = (
    Location,
    Retrieval,
    MixedCounterpart,
    MixedBalanced,
    MixedMatched,
    MixedGraded,
    Grouping,
    Probing,
    Separability,
    Distribution,
    Cones,
    Uniformities,
    EffectiveRanks,
    Hubness,
    Relinkage,
)


def standard_metrics(extent: Extent = "all") -> list[Metric]:
    """The metrics of closegap up to an extent, in reading order.

    Example:
        >>> [type(metric).__name__ for metric in standard_metrics("quick")]
        ['Location', 'Retrieval', 'Cones']
    """
    upto = list(EXTENTS)[: 1 + list(EXTENTS).index(extent)]
    return [metric() for metric in _IN_READING_ORDER if metric.extent in upto]
