"""Which metrics a command line names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from closegap.errors import UsageError
from closegap.metrics.extents import EXTENTS

if TYPE_CHECKING:
    from closegap.metrics.base import Metric

METRICS_HELP = (
    "; ".join(f"{extent}: {what}" for extent, what in EXTENTS.items()) + "; or class paths, also beside these"
)


def chosen_metrics(names: Sequence[str]) -> "list[Metric]":
    """See `closegap.metrics.named`; errors name the option."""
    from closegap.metrics import named

    try:
        return named.chosen_metrics(names)
    except UsageError as error:
        raise UsageError(f"--metrics {error}") from error
