"""What can be done without training, as arms: post-hoc methods, score stages, and both together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from closegap.calibration import Calibration
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.evaluation.calibrating import calibrated
from closegap.evaluation.compare import Result
from closegap.evaluation.report import Skipped
from closegap.posthoc import PostHoc, Sweep
from closegap.posthoc.base.seen import Seen
from closegap.scores import ScoreStage
from closegap.side_by_side import side_by_side


@dataclass(frozen=True)
class Correction:
    """What is tried on embeddings, and what it is fitted on.

    Args:
        methods: name to post-hoc method, unfitted.
        stages: name to score stage, unfitted.
        train: what the methods are fitted on.
        reference: what the stages are fitted on, moved by the arm's method.
        in_sample: allow post-hoc methods on rows that they were fitted on.
        calibration: settings of what is fitted on the reference for each arm; None for nothing.
    """

    methods: Mapping[str, PostHoc]
    stages: Mapping[str, ScoreStage]
    train: EmbeddingSet
    reference: EmbeddingSet
    in_sample: bool = False
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Corrected:
    """The arms that a correction makes of one.

    Args:
        moved: post-hoc method to its arm, `<arm> + NAME`.
        staged: the arm and each of `moved` under each stage; a control among the methods needs none.
        skipped: the arms that could not be fitted, with the reason.
    """

    moved: Mapping[str, Result] = field(default_factory=dict)
    staged: list[Result] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def corrected(result: Result, correction: Correction) -> Corrected:
    """An arm with each method, each stage and each pair of both; seeds of one arm stay seeds of one arm.

    Each is compared with the arm that it goes on from.

    Args:
        result: what is judged.
        correction: what is tried; its methods are fitted here, of its stages copies.

    Raises:
        UsageError: rows that a method was fitted on are judged, or calibrated on, and `in_sample` does not allow it.
    """
    if correction.methods and correction.calibration is not None and not correction.in_sample:
        _expect_unseen(correction)
    moved: dict[str, Result] = {}
    staged, skipped = _staged(result, correction, correction.reference, result.arm)
    for name, method in correction.methods.items():
        arm = f"{result.arm} + {name}"
        try:
            method.fit(correction.train)
        except DataError as error:
            skipped.append(Skipped(f"arm {arm}", str(error)))
            continue
        rows = method.apply(result.embeddings, in_sample=correction.in_sample)
        moved[name] = Result(arm, result.seed, rows, against=result.arm, placebo=method.control)
        if method.control:
            continue
        if correction.stages or correction.calibration is not None:
            reference = method.apply(correction.reference, in_sample=True)
            further = _staged(moved[name], correction, reference, result.arm)
            staged, skipped = staged + further[0], skipped + further[1]
            if correction.calibration is not None:
                moved[name] = calibrated(moved[name], correction.calibration, reference)
    return Corrected(moved, staged, skipped)


def sweep_of(method: PostHoc) -> Sweep | None:
    """How the method is swept between the original and itself; None where it is not the whole of a method."""
    sweep = method.sweep
    return sweep if sweep and getattr(method, sweep.setting) == sweep.values[-1] else None


def swept(method: PostHoc, sweep: Sweep, train: EmbeddingSet) -> Iterator[tuple[Any, PostHoc]]:
    """Each value between the sweep's ends, and the method with it, fitted on `train`."""
    for value in sweep.between:
        yield value, type(method)(**{**method.settings, sweep.setting: value}).fit(train)


def _expect_unseen(correction: Correction) -> None:
    """Refuse to calibrate on pairs that a method has seen: it makes them agree better than new ones.

    Raises:
        UsageError: how many there are.
    """
    seen = len(Seen.of(correction.train).rows(correction.reference))
    if seen:
        raise UsageError(
            f"{seen} of {len(correction.reference.ids)} rows that calibrations are fitted on are among those that "
            "post-hoc methods are fitted on, and promise too much; give others with --reference, or allow it with "
            "--in-sample (in_sample=True), which the report will say"
        )


def _staged(
    result: Result, correction: Correction, reference: EmbeddingSet, against: str
) -> tuple[list[Result], list[Skipped]]:
    """The arm under each stage, fitted on a reference in the same space, to be compared with `against`."""

    def fitted_or_why(stage: ScoreStage) -> ScoreStage | DataError:
        try:
            return type(stage)(**stage.settings).fit(reference)
        except DataError as error:
            return error

    found, skipped = [], []
    stages = correction.stages
    for (name, stage), fitted in zip(stages.items(), side_by_side(fitted_or_why, stages.values()), strict=True):
        arm = f"{result.arm} + {name}"
        if isinstance(fitted, DataError):
            skipped.append(Skipped(f"arm {arm}", str(fitted)))
            continue
        one = Result(arm, result.seed, result.embeddings, fitted, against=against, control=stage.control)
        found.append(one if correction.calibration is None else calibrated(one, correction.calibration, reference))
    return found, skipped
