"""Post-hoc methods as arms: each fitted on a train set and applied to what is judged."""

from collections.abc import Iterator, Mapping
from typing import Any

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.evaluation.compare import Result
from closegap.evaluation.report import Skipped
from closegap.posthoc import PostHoc, Sweep


def posthoc_arms(
    embeddings: EmbeddingSet, methods: Mapping[str, PostHoc], train: EmbeddingSet, *, in_sample: bool = False
) -> tuple[dict[str, EmbeddingSet], list[Skipped]]:
    """Arm name to the set that its method moved, and the methods that could not be fitted, with the reason.

    Args:
        embeddings: what is judged.
        methods: arm name to method, unfitted.
        train: what they are fitted on.
        in_sample: allow rows that were fitted on.

    Raises:
        UsageError: rows of `train` are judged and `in_sample` does not allow it.
    """
    arms: dict[str, EmbeddingSet] = {}
    skipped: list[Skipped] = []
    for name, method in methods.items():
        try:
            method.fit(train)
        except DataError as error:
            skipped.append(Skipped(f"arm {name}", str(error)))
            continue
        arms[name] = method.apply(embeddings, in_sample=in_sample)
    return arms, skipped


def sweep_of(method: PostHoc) -> Sweep | None:
    """How the method is swept between the original and itself; None where it is not the whole of a method."""
    sweep = method.sweep
    return sweep if sweep and getattr(method, sweep.setting) == sweep.values[-1] else None


def swept(method: PostHoc, sweep: Sweep, train: EmbeddingSet) -> Iterator[tuple[Any, PostHoc]]:
    """Each value between the sweep's ends, and the method with it, fitted on `train`."""
    for value in sweep.between:
        yield value, type(method)(**{**method.settings, sweep.setting: value}).fit(train)


def posthoc_results(result: Result, train: EmbeddingSet, methods: Mapping[str, PostHoc]) -> list[Result]:
    """A trained run with each method applied; seeds of one arm stay seeds of one arm under each method.

    Args:
        result: the run on the judged split.
        train: its embeddings of its train split.
        methods: name to method, unfitted.

    Raises:
        UsageError: rows of `train` are judged.
    """
    arms, _ = posthoc_arms(result.embeddings, methods, train)
    return [Result(f"{result.arm} + {name}", result.seed, moved) for name, moved in arms.items()]
