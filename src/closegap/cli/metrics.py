"""Which metrics a command line names."""

from collections.abc import Sequence
from importlib import import_module
from inspect import isabstract, isclass
from typing import TYPE_CHECKING

from closegap.errors import UsageError
from closegap.metrics.extents import EXTENTS

if TYPE_CHECKING:
    from closegap.metrics.base import Metric

METRICS_HELP = (
    "; ".join(f"{extent}: {what}" for extent, what in EXTENTS.items()) + "; or class paths, also beside these"
)


def chosen_metrics(names: Sequence[str]) -> "list[Metric]":
    """The metrics of the widest extent that is named, then those of the class paths.

    Args:
        names: `quick`, `tasks`, `all`, or class paths such as `my_package.MyMetric`.

    Raises:
        UsageError: a name that is neither, or a class that cannot be had.
    """
    from closegap.metrics.standard import standard_metrics

    named = [extent for extent in EXTENTS if extent in names]
    found = standard_metrics(named[-1]) if named else []
    for name in dict.fromkeys(names):
        if name not in EXTENTS:
            metric = _metric(name)
            found += [] if type(metric) in map(type, found) else [metric]
    return found


def _metric(path: str) -> "Metric":
    from closegap.metrics.base import Metric

    module, dot, name = path.rpartition(".")
    expected = f"expected {', '.join(EXTENTS)}, or the class path of a metric, such as my_package.MyMetric"
    if not dot:
        raise UsageError(f"--metrics {path}: {expected}")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise UsageError(f"--metrics {path}: cannot be imported ({error}); {expected}") from error
    if not isclass(found) or not issubclass(found, Metric) or isabstract(found):
        raise UsageError(f"--metrics {path}: is no closegap.metrics.Metric that can be measured; {expected}")
    try:
        return found()
    except TypeError as error:
        raise UsageError(
            f"--metrics {path}: {error}; a metric of a command line has defaults for its settings"
        ) from error
