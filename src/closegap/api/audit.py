"""Do these embeddings have a gap, does it hurt, what would closing it be worth?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from closegap.api import given
from closegap.api.bars import Bars
from closegap.calibration.curves import CurveName
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.audit import audit_arms
from closegap.evaluation.report import Report
from closegap.runs.log import Watching


def audit(
    *embeddings: Any,
    names: Sequence[str] | None = None,
    ids: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
    labels: Mapping[str, Sequence[Any]] | None = None,
    train: given.Rows | None = None,
    posthoc: given.Methods = (),
    scores: given.Stages = (),
    reference: given.Rows | None = None,
    calibrate: CurveName | None = None,
    in_sample: bool = False,
    metrics: given.Metrics = "all",
    resamples: int = 1000,
    in_full: bool = False,
    out: Path | str | None = None,
    cases: bool = True,
    watching: Watching = Bars,
) -> Report:
    """The card of embeddings of any origin: gap, retrieval, mixed search, grouping and what explains them.

    What cannot be measured (no labels, no further views) stands in the report's `skipped`, with the reason; what must
    be known before reading a number, in its data (`notes`).

    Args:
        embeddings: a set or the path of one; arrays by modality name, `{"image": a, "text": b}`; or two arrays or more,
            (n, d) each, row i the same case. Rows that are not unit-norm are normalised.
        names: of the modalities, where arrays come without.
        ids: of arrays: the case of each row; rows of one id are one case.
        groups: of arrays: the article or patient of each row, which the bootstrap resamples.
        labels: of arrays: label name to one label per row.
        train: what post-hoc methods and score stages are fitted on, given as the embeddings are.
        posthoc: methods that stand beside the original: "all", names, import paths, methods.
        scores: score stages that stand beside each of these: "all", names, import paths, stages.
        reference: what score stages are fitted on instead: a validation split, or an archive.
        calibrate: "isotonic" or "logistic" fits probabilities of a match on the same and measures whether they hold.
        in_sample: allow fitting on rows that are judged; the report says so.
        metrics: "quick", "tasks", "all", import paths, metrics.
        resamples: of the bootstrap by group.
        in_full: measure all cases, however many; see `closegap.evaluation.audit.audit_arms`.
        out: a folder for report.json and report.html; None writes nothing.
        cases: whether points on the page tell id and label of their case.
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        UsageError: what does not go together.
        DataError: rows that are not finite or zero, or no pair of modalities that can be measured.

    Example:
        >>> import torch
        >>> image, text = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(0))
        >>> report = audit(image, text, names=["image", "text"], resamples=20)
        >>> report.arms[0].name, 0 < report.arms[0].metrics["gap"].value < 2
        ('original', True)
    """
    if not embeddings:
        raise UsageError("audit: nothing given; expected a set of embeddings, or an array for each modality")
    alone = len(embeddings) == 1 and isinstance(embeddings[0], EmbeddingSet | Mapping | str | Path)
    judged = given.embedding_set(embeddings[0] if alone else embeddings, names, ids=ids, groups=groups, labels=labels)
    train_set, reference_set = (_fitted_on(rows, judged) for rows in (train, reference))
    with watching("measuring") as watcher:
        found = audit_arms(
            judged,
            given.methods(posthoc),
            train_set,
            in_sample=in_sample,
            resamples=resamples,
            metrics=given.metrics(metrics),
            in_full=in_full,
            stages=given.stages(scores),
            reference=reference_set,
            calibration=given.calibration(calibrate),
            progress=watcher.work,
        )
    if out is not None:
        from closegap.report.audit_page import write_audit

        write_audit(found, Path(out), cases=cases)
    return found.comparison.report


def _fitted_on(rows: given.Rows | None, judged: EmbeddingSet) -> EmbeddingSet | None:
    """The set that is meant; arrays without names are those of the judged modalities, in their order."""
    if rows is None:
        return None
    bare = not isinstance(rows, EmbeddingSet | Mapping | str | Path)
    return given.embedding_set(rows, judged.modalities if bare else None)
