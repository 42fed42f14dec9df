"""What a caller may hand in, turned into what the functions work with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from closegap.calibration import Calibration
from closegap.calibration.curves import CurveName
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.base import Metric
from closegap.posthoc import PostHoc, chosen_arms, method_names
from closegap.scores import STAGES, ScoreStage

Rows: TypeAlias = EmbeddingSet | Mapping[str, Any] | Sequence[Any] | str | Path
"""A set of embeddings or the path of one, arrays by modality name, or arrays in the order of the names."""

Methods: TypeAlias = str | Sequence[str | PostHoc] | Mapping[str, PostHoc]
"""Names of post-hoc methods ("all" for ours), import paths, methods, or methods by the name of their arm."""

Stages: TypeAlias = str | Sequence[str | ScoreStage] | Mapping[str, ScoreStage]
"""Names of score stages ("all" for ours), import paths, stages, or stages by the name that arms get."""

Metrics: TypeAlias = str | Sequence[str | Metric]
"""Names of extents ("quick", "tasks", "all"), import paths, or metrics."""


def embedding_set(given: Rows, names: Sequence[str] | None = None, **described: Any) -> EmbeddingSet:
    """The set that is meant.

    Args:
        given: see `Rows`.
        names: of the modalities, where arrays come without; a, b, c ... by default.
        described: ids, groups and labels of arrays, as `EmbeddingSet.from_arrays` takes them.

    Raises:
        UsageError: names or descriptions of what has its own, fewer than two arrays, or other names than arrays.
    """
    described = {key: value for key, value in described.items() if value is not None}
    if isinstance(given, EmbeddingSet | str | Path):
        if names is not None or described:
            raise UsageError(f"{', '.join(described) or 'names'}: given beside a set of embeddings, which has its own")
        return given if isinstance(given, EmbeddingSet) else EmbeddingSet.load(given)
    if isinstance(given, Mapping):
        if names is not None:
            raise UsageError("names: given beside arrays that have theirs; leave them out")
        return EmbeddingSet.from_arrays(**described, **given)
    names = names if names is not None else [chr(ord("a") + number) for number in range(len(given))]
    if len(given) < 2:
        raise UsageError(f"{len(given)} array given; expected a set of embeddings, or an array for each modality")
    if len(names) != len(given):
        raise UsageError(f"{len(names)} names for {len(given)} arrays; give each one")
    return EmbeddingSet.from_arrays(**described, **dict(zip(names, given, strict=True)))


def methods(given: Methods) -> dict[str, PostHoc]:
    """Arm name to method, unfitted.

    Raises:
        UsageError: a name that no method has, or two methods of one name.
    """
    if isinstance(given, Mapping):
        return dict(given)
    given = [given] if isinstance(given, str) else list(given)
    names = [one for one in given if isinstance(one, str)]
    found = chosen_arms([*(method_names() if "all" in names else ()), *(name for name in names if name != "all")])
    for method in (one for one in given if not isinstance(one, str)):
        name = type(method).__name__
        if name in found:
            raise UsageError(f"two methods are called {name}; give them as a mapping from the name of the arm")
        found[name] = method
    return found


def stages(given: Stages) -> dict[str, ScoreStage]:
    """Name to score stage, unfitted.

    Raises:
        UsageError: a name that no stage has, or two stages of one name.
    """
    if isinstance(given, Mapping):
        return dict(given)
    given = [given] if isinstance(given, str) else list(given)
    found = STAGES.chosen([one for one in given if isinstance(one, str)])
    for stage in (one for one in given if not isinstance(one, str)):
        name = STAGES.arm(type(stage))
        if name in found:
            raise UsageError(f"two stages are called {name}; give them as a mapping from the name that arms get")
        found[name] = stage
    return found


def calibration(curve: CurveName | None) -> Calibration | None:
    """The settings of what is fitted for each arm; None for nothing."""
    return None if curve is None else Calibration(curve)


def metrics(given: Metrics) -> list[Metric]:
    """The metrics that are meant; see `closegap.metrics.named.chosen_metrics`."""
    from closegap.metrics.named import chosen_metrics

    return chosen_metrics([given] if isinstance(given, str) else given)
