"""What is measured: pure functions of rows, the figures of a report, and the metrics that fill them."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.metrics.base import Measured as Measured
    from closegap.metrics.base import Metric as Metric
    from closegap.metrics.base import Need as Need
    from closegap.metrics.bootstrap import Sampled as Sampled
    from closegap.metrics.bootstrap import estimates as estimates
    from closegap.metrics.bootstrap import weighted_means as weighted_means
    from closegap.metrics.couple import Counts as Counts
    from closegap.metrics.couple import Couple as Couple
    from closegap.metrics.figure import Figure as Figure
    from closegap.metrics.standard import standard_metrics as standard_metrics

_HOMES = {
    "Counts": "closegap.metrics.couple",
    "Couple": "closegap.metrics.couple",
    "Figure": "closegap.metrics.figure",
    "Measured": "closegap.metrics.base",
    "Metric": "closegap.metrics.base",
    "Need": "closegap.metrics.base",
    "Sampled": "closegap.metrics.bootstrap",
    "estimates": "closegap.metrics.bootstrap",
    "standard_metrics": "closegap.metrics.standard",
    "weighted_means": "closegap.metrics.bootstrap",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
