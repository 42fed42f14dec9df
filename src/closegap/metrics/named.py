"""Metrics by the names of extents, or by import path."""

from collections.abc import Sequence
from importlib import import_module
from inspect import isabstract, isclass

from closegap.errors import UsageError
from closegap.metrics.base import Metric
from closegap.metrics.extents import EXTENTS
from closegap.metrics.standard import standard_metrics

_EXPECTED = f"expected {', '.join(EXTENTS)}, or the class path of a metric, such as my_package.MyMetric"


def chosen_metrics(names: Sequence[str | Metric]) -> list[Metric]:
    """The metrics of the widest extent that is named, then those of the class paths and those given as they are.

    Args:
        names: `quick`, `tasks`, `all`, class paths such as `my_package.MyMetric`, or metrics.

    Raises:
        UsageError: a name that is neither, or a class that cannot be had.

    Example:
        >>> [type(metric).__name__ for metric in chosen_metrics(["quick"])]
        ['Location', 'Retrieval', 'Cones']
    """
    named = [extent for extent in EXTENTS if extent in names]
    found = standard_metrics(named[-1]) if named else []
    for name in names:
        if name in EXTENTS:
            continue
        metric = _metric(name) if isinstance(name, str) else name
        found += [] if type(metric) in map(type, found) else [metric]
    return found


def _metric(path: str) -> Metric:
    module, dot, name = path.rpartition(".")
    if not dot:
        raise UsageError(f"{path}: {_EXPECTED}")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise UsageError(f"{path}: cannot be imported ({error}); {_EXPECTED}") from error
    if not isclass(found) or not issubclass(found, Metric) or isabstract(found):
        raise UsageError(f"{path}: is no closegap.metrics.Metric that can be measured; {_EXPECTED}")
    try:
        return found()
    except TypeError as error:
        raise UsageError(f"{path}: {error}; a metric that is named has defaults for its settings") from error
