"""Fitting what corrects an archive: on a split of its own rows, on all of them, or on other embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from closegap.calibration import Calibration
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.unit_norm import unit_norm
from closegap.errors import DataError, UsageError
from closegap.posthoc import PostHoc, method_class
from closegap.scores import STAGES, ScoreStage
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.questions import unanswered
from closegap.search.archive.reference import MOST, archived_set, moved_set

if TYPE_CHECKING:
    from closegap.search.archive.archive import Archive

NONE = "none"
ARCHIVE = "archive"
_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Wanted:
    """Which corrections to fit, on what.

    Args:
        posthoc: a method's name, class path or file; "none" for none; None for what the model brings.
        scores: the same of a score stage; None for `standardise` where there are two modalities.
        calibrate: what counts as relevant, "pairs", "labels" or "concepts"; "none" for no calibration; None for
            concepts where there are any, else pairs, as far as the reference is enough.
        fit_on: "train", "validation", "archive", or an embedding set's file; None for the validation rows where there
            are any, else the archive.
    """

    posthoc: str | None = None
    scores: str | None = None
    calibrate: str | None = None
    fit_on: str | None = None


def fitted_corrections(archive: "Archive", wanted: Wanted, brought: PostHoc | None = None) -> Corrections:
    """The corrections, not put into the archive yet.

    A map that is named is fitted on the train rows where there are any, since a calibration on the rows that it was
    fitted on promises too much; stage and calibration are fitted on what `fit_on` says.

    Args:
        archive: whose rows are there already.
        wanted: which.
        brought: a map that the model has.

    Raises:
        UsageError: no such method, stage or relevance.
        DataError: rows that are not enough for what was asked for.
    """
    posthoc, told = _posthoc(archive, wanted.posthoc, brought)
    plain = Corrections.of(posthoc, None, None)
    there = len([count for count in archive.rows().values() if count])
    if not there or (there < 2 and wanted.scores is None and wanted.calibrate == NONE):
        return replace(plain, fitted_on=tuple(told))
    given, what = _reference(archive, wanted.fit_on)
    reference = moved_set(given, plain)
    stage = calibration = None
    if there > 1 or wanted.scores is not None:
        try:
            stage = _stage(wanted.scores, reference, archive.trusted)
        except DataError as error:
            if wanted.scores is not None:
                raise
            line = f"Standardise: none, since {error}"
        else:
            line = "" if stage is None else f"{type(stage).__name__}: {what}"
        told += [line] if line else []
        calibration, line = _calibration(wanted.calibrate, reference, stage)
        told.append(f"Calibration: {line or what}")
    asked = None if wanted.calibrate == NONE else unanswered(archive.index, archive.modalities, reference, plain)
    if wanted.calibrate != NONE:
        told.append(f"Not sure: {what if asked is not None else 'never, as too few groups ask'}")
    return replace(plain, stage=stage, calibration=calibration, unanswered=asked, fitted_on=tuple(told))


def _posthoc(archive: "Archive", name: str | None, brought: PostHoc | None) -> tuple[PostHoc | None, list[str]]:
    if name is None:
        return brought, [] if brought is None else [f"{type(brought).__name__}: came with the model"]
    if name == NONE:
        return None, []
    if name.endswith(".safetensors"):
        found = PostHoc.load(name, archive.trusted)
        return found, [f"{type(found).__name__}: a file"]
    method = method_class(name)()
    try:
        train, what = archived_set(archive.index, archive.modalities, archive.about.labels, "train", MOST), "train rows"
    except DataError:
        train, what = archived_set(archive.index, archive.modalities, archive.about.labels, "", MOST), "the archive"
    return method.fit(train), [f"{type(method).__name__}: {what}, {_cases(train)}"]


def _reference(archive: "Archive", fit_on: str | None) -> tuple[EmbeddingSet, str]:
    """What stage and calibration are fitted on, raw, and what it is called."""
    if fit_on is not None and fit_on.endswith(".safetensors"):
        found, _ = unit_norm(EmbeddingSet.load(Path(fit_on)))
        return found, f"embeddings of a file, {_cases(found)}"
    if fit_on not in (None, ARCHIVE, *_SPLITS):
        raise UsageError(f"--fit-on {fit_on}: expected train, validation, archive or a .safetensors file")
    for split in (fit_on,) if fit_on in _SPLITS else ("validation",) if fit_on is None else ():
        try:
            found = archived_set(archive.index, archive.modalities, archive.about.labels, str(split), MOST)
        except DataError:
            if fit_on is not None:
                raise
        else:
            return found, f"{split} rows, {_cases(found)}"
    found = archived_set(archive.index, archive.modalities, archive.about.labels, "", MOST)
    return found, f"the archive, {_cases(found)}"


def _stage(name: str | None, reference: EmbeddingSet, trusted: Sequence[str]) -> ScoreStage | None:
    if name == NONE:
        return None
    if name is not None and name.endswith(".safetensors"):
        return ScoreStage.load(name, trusted)
    return STAGES.found(name or "standardise")().fit(reference)


def _calibration(
    relevance: str | None, reference: EmbeddingSet, stage: ScoreStage | None
) -> tuple[Calibration | None, str]:
    """A fitted calibration, or none and why."""
    if relevance == NONE:
        return None, "none, as asked for"
    if relevance not in (None, "pairs", "labels", "concepts"):
        raise UsageError(f"--calibrate {relevance}: expected pairs, labels, concepts or none")
    chosen = relevance or ("concepts" if reference.concepts is not None else "pairs")
    try:
        return Calibration(relevance=chosen).fit(reference, stage), ""  # type: ignore[arg-type]
    except (DataError, UsageError) as error:
        if relevance is not None:
            raise
        return None, f"none, since {error}"


def _cases(embeddings: EmbeddingSet) -> str:
    return f"{len(set(embeddings.ids)):,} cases"
