"""The audit of embeddings that exist: their card, and every post-hoc method beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from closegap.calibration import Calibration
from closegap.embeddings.embedding_set import NOTES, EmbeddingSet
from closegap.embeddings.unit_norm import unit_norm
from closegap.errors import DataError, UsageError
from closegap.evaluation.calibrating import calibrated
from closegap.evaluation.card import group_count, measure
from closegap.evaluation.collapse import collapse_notes
from closegap.evaluation.compare import Comparison, Result, compare
from closegap.evaluation.duplicates import equal_rows_notes
from closegap.evaluation.pairing import unpaired_notes
from closegap.evaluation.posthoc_arms import Correction, corrected, sweep_of, swept
from closegap.evaluation.report import Arm, Report, Skipped
from closegap.evaluation.series import Series
from closegap.metrics.base import Metric
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.gap import GAP
from closegap.metrics.location import Location
from closegap.metrics.standard import standard_metrics
from closegap.posthoc import PostHoc, Sweep
from closegap.posthoc.base.seen import Seen
from closegap.scores import ScoreStage

ORIGINAL = "original"
"""Name of the arm that nothing was done to."""

_CALIBRATION_IN_SAMPLE = "Calibrations were fitted on rows that are judged here: their figures are flattered."
_CALIBRATION_SEEN = (
    "Calibrations of post-hoc arms were fitted on rows that the methods were fitted on: they promise too much."
)
_STAGES_IN_SAMPLE = "Score stages were fitted on rows that are judged here, as on an archive itself."


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Args:
        comparison: the original first, then one arm per post-hoc method, then these under each score stage.
        frontier: the arms, those of one method's sweep together.
    """

    comparison: Comparison
    frontier: Sequence[Series]

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know before reading any number."""
        found: Sequence[str] = self.comparison.report.data["notes"]
        return found


@dataclass(frozen=True)
class Line:
    """A method between the original and its whole effect.

    Args:
        sweep: the setting that is varied.
        between: its values that are neither, to what was measured there.
    """

    sweep: Sweep
    between: Mapping[float, Arm]


def audit_arms(
    embeddings: EmbeddingSet,
    methods: Mapping[str, PostHoc],
    train: EmbeddingSet | None = None,
    *,
    in_sample: bool = False,
    notes: Sequence[str] = (),
    resamples: int = 1000,
    metrics: Sequence[Metric] | None = None,
    in_full: bool = False,
    stages: Mapping[str, ScoreStage] | None = None,
    reference: EmbeddingSet | None = None,
    calibration: Calibration | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """The audit with post-hoc methods and score stages beside the original.

    Args:
        embeddings: what is judged. Modalities of different width are judged under the methods that map them into one
            space; the original is then left out, with the reason.
        methods: name to method, unfitted, for the arms `original + NAME`; a whole method that declares a sweep, as
            `Shift` does, is also swept.
        train: what the methods are fitted on.
        in_sample: allow fitting on rows that are judged; without `train`, on all of them. The audit's notes say so.
        notes: on how the embeddings came to be; carried into the audit's.
        resamples: of the bootstrap by group.
        metrics: what is measured; all of `standard_metrics` by default. Those of the extent "all" are left
            out along sweeps.
        in_full: measure all cases, however many. By default what would take days on more than 50,000 is measured on a
            seeded sample of 10,000 of them, exactly and over the full gallery where there is one; the report's data
            say what (`sample`).
        stages: name to score stage, unfitted: an arm beside the original and each method's.
        reference: what the stages are fitted on; by default what the methods are. Rows that are judged are allowed, as
            stages see neither pairs nor labels; the audit's notes say so.
        calibration: settings of what is fitted for each arm on the reference and measured on what is judged, under the
            arm's method and stage; it wants rows that are not judged.
        progress: called with (arms measured, arms).

    Raises:
        UsageError: methods, stages or a calibration without anything to be fitted on, or rows of `train`, or of what a
            calibration is fitted on, that are judged without `in_sample`.
        DataError: rows that are not finite or zero, or no pair of modalities that can be measured.
    """
    embeddings, normalised = unit_norm(embeddings)
    notes = [*notes, *embeddings.meta.get(NOTES, ()), *normalised]
    if methods and train is None and not in_sample:
        raise UsageError(
            "post-hoc methods are fitted on train embeddings and none were given; give them with --train, or fit on "
            "what is judged with --in-sample (in_sample=True), which the report will say"
        )
    if stages and reference is None and train is None and not in_sample:
        raise UsageError(
            "score stages are fitted on reference embeddings and none were given; give them with --reference or "
            "--train, or fit on what is judged with --in-sample (in_sample=True), which the report will say"
        )
    if calibration is not None and reference is None and train is None and not in_sample:
        raise UsageError(
            "a calibration is fitted on pairs that are not judged and none were given; give them with --reference or "
            "--train, or fit on what is judged with --in-sample (in_sample=True), which the report will say"
        )
    fitted_on = embeddings if train is None else unit_norm(train)[0]
    reference = fitted_on if reference is None else unit_norm(reference)[0]
    if calibration is not None:
        _expect_width(reference, embeddings)
    overlap = len(Seen.of(reference).rows(embeddings)) if calibration is not None else 0
    if overlap and not in_sample:
        raise UsageError(
            f"{overlap} of {len(embeddings.ids)} rows are among those that the calibration is fitted on; fit it on a "
            "validation split, or allow it with --in-sample (in_sample=True), which the report will say"
        )
    original = Result(ORIGINAL, None, embeddings)
    made = corrected(original, Correction(methods, stages or {}, fitted_on, reference, in_sample, calibration))
    sweeps = {name: sweep for name in made.moved if (sweep := sweep_of(methods[name])) is not None}
    results, skipped = [*made.moved.values(), *made.staged], list(made.skipped)
    try:
        _ = embeddings.width
        first = original if calibration is None else calibrated(original, calibration, reference)
        results = [first, *results]
    except DataError as error:
        if not results:
            raise
        skipped = [Skipped(f"arm {ORIGINAL}", str(error)), *skipped]
    total = len(results) + sum(len(sweep.between) for sweep in sweeps.values())
    done = 0

    def advance(*_: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    comparison = compare(results, resamples, progress=advance, metrics=metrics, in_full=in_full)
    _expect_numbers(comparison.report, metrics)
    counts = resample_counts(group_count(embeddings), resamples)
    along_sweeps = [metric for metric in metrics or standard_metrics() if metric.extent != "all"]
    lines: dict[str, Line] = {}
    for name, sweep in sweeps.items():
        between: dict[float, Arm] = {}
        for value, method in swept(methods[name], sweep, fitted_on):
            moved = method.apply(embeddings, in_sample=in_sample)
            between[value] = measure(moved, counts, along_sweeps, in_full=in_full).arm(made.moved[name].arm)
            advance()
        lines[name] = Line(sweep, between)
    if "sample" in comparison.report.data:
        notes = [*notes, comparison.report.data["sample"]["note"]]
    facts: dict[str, Any] = {}
    notes = [*notes, *(note for name in made.moved for note in methods[name].notes)]
    if made.moved:
        seen = any(bool(result.embeddings.meta.get("in_sample")) for result in made.moved.values())
        facts["post_hoc"] = {"fitted_on": len(fitted_on.ids), "in_sample": seen}
    if overlap:
        notes = [_CALIBRATION_IN_SAMPLE, *notes]
    elif calibration is not None and methods and in_sample and Seen.of(fitted_on).rows(reference):
        notes = [_CALIBRATION_SEEN, *notes]
    if made.staged:
        facts["scores"] = {
            "fitted_on": len(reference.ids),
            "in_sample": bool(Seen.of(reference).rows(embeddings)),
        }
        if facts["scores"]["in_sample"]:
            notes = [_STAGES_IN_SAMPLE, *notes]
    if made.moved and facts["post_hoc"]["in_sample"]:
        notes = [
            "Post-hoc methods were fitted in-sample, on rows that are judged here: their gap is flattered, and so may "
            "be their other numbers.",
            *notes,
        ]
    collapsed = collapse_notes(comparison.sets)
    notes = [*unpaired_notes(comparison.report), *collapsed, *equal_rows_notes(embeddings), *notes]
    facts["notes"] = list(notes)
    described = _described(comparison, facts, lines, skipped)
    return Audit(described, _series(described, lines))


def _expect_width(reference: EmbeddingSet, embeddings: EmbeddingSet) -> None:
    """Refuse to calibrate on cosines of another space than those that are judged.

    Raises:
        UsageError: the first modality of another width, or that the reference lacks.
    """
    for name, rows in embeddings.embeddings.items():
        there = reference.embeddings.get(name)
        if there is None or there.shape[1] != rows.shape[1]:
            has = "none" if there is None else f"{there.shape[1]} dimensions"
            raise UsageError(
                f"--reference: {has} of {name}, expected {rows.shape[1]} as in what is judged; calibrate on "
                "embeddings of the same model, or the same mapping"
            )


def _expect_numbers(report: Report, metrics: Sequence[Metric] | None) -> None:
    """Refuse embeddings of which nothing can be measured, or no gap where it was asked for."""
    measured = {report.figures[name].name for name in report.arms[0].metrics}
    asked = metrics is None or any(isinstance(metric, Location) for metric in metrics)
    if measured and (GAP.name in measured or not asked):
        return
    what, reasons = "gap" if asked else "number", [item.reason for item in report.skipped]
    raise DataError(f"no {what} could be measured: {reasons[0] if reasons else 'the metrics gave none'}")


def _described(
    comparison: Comparison, facts: Mapping[str, Any], lines: Mapping[str, Line], skipped: Sequence[Skipped]
) -> Comparison:
    """The comparison with what an audit adds to its report."""
    report = comparison.report
    sweeps = {
        f"{name}_sweep": {
            f"{value:g}": {metric: vars(estimate) for metric, estimate in arm.metrics.items()}
            for value, arm in line.between.items()
        }
        for name, line in lines.items()
    }
    data = {**report.data, **sweeps, **facts}
    return replace(comparison, report=replace(report, skipped=[*report.skipped, *skipped], data=data))


def _series(comparison: Comparison, lines: Mapping[str, Line]) -> list[Series]:
    arms = {arm.name: arm for arm in comparison.report.arms}
    swept_arms = {f"{ORIGINAL} + {name}": line for name, line in lines.items()}
    drawn = [
        Series(
            f"{name}, by {line.sweep.setting}",
            [arms[ORIGINAL], *line.between.values(), arms[name]],
            list(line.sweep.values),
        )
        for name, line in swept_arms.items()
    ]
    return [*drawn, *(Series(name, [arm]) for name, arm in arms.items() if name not in swept_arms)]
