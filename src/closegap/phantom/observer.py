"""The ideal observer: scores pairs of items by how much likelier they are together than apart.

For a query q and a gallery in which one item belongs to q and the others are strangers', the chance that item g is
the one is in proportion to p(q, g) / (p(q) p(g)). An order by this ratio has the highest expected Recall@K that any
method can reach which knows of an item only the facts it shows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, log

import numpy as np
from jaxtyping import Float64

from closegap.phantom.catalogue import KINDS
from closegap.phantom.ceiling import Scores
from closegap.phantom.likelihood import (
    LogLikelihood,
    quotation_log_likelihood,
    record_log_likelihood,
    report_log_likelihood,
)
from closegap.phantom.record import Value, measurements
from closegap.phantom.statements import QUOTATIONS, Facts
from closegap.phantom.study import Finding, Study

Record = Mapping[str, Value]

MOVING = frozenset({"view", "sex", "normal", "endotracheal_tube"})  # with the findings, what a record depends on


def image_report_scores(studies: Sequence[Study], reports: Sequence[Facts], others: Sequence[Study]) -> Scores:
    """Score log p(report | image) - log p(report), images in rows.

    Args:
        studies: behind the images.
        reports: what the reports state.
        others: further studies, from which p(report) is estimated.
    """
    everyone = [*studies, *others]
    given = report_log_likelihood(reports, everyone) + quotation_log_likelihood(reports, everyone)
    scores: Scores = (given[:, : len(studies)] - _log_mean(given)[:, None]).T
    return scores


def image_record_scores(studies: Sequence[Study], records: Sequence[Record], others: Sequence[Study]) -> Scores:
    """Score log p(record | image) - log p(record), images in rows.

    Args:
        studies: behind the images.
        records: of the cases.
        others: further studies, from which p(record) is estimated.
    """
    given = record_log_likelihood(records, [*studies, *others])
    scores: Scores = (given[:, : len(studies)] - _log_mean(given)[:, None]).T
    return scores


def report_record_scores(reports: Sequence[Facts], records: Sequence[Record], others: Sequence[Study]) -> Scores:
    """Score log p(report, record) - log p(report) - log p(record), reports in rows.

    What links them is the findings, which only the report states and which move the record, the sex, where the patient
    lies, and what the report quotes. The findings are averaged over: p(report, record) = mean over studies of
    p(report | study) p(record | study). What moves no record (sides, zones, sizes, most devices) is left out.

    Args:
        reports: what the reports state.
        records: of the cases.
        others: studies to average over, those of the cases among them.
    """
    bare = [_bare(study) for study in others]
    a = report_log_likelihood([_moving(facts) for facts in reports], bare)
    b = record_log_likelihood(records, bare)
    top_a, top_b = a.max(axis=1), b.max(axis=1)
    with np.errstate(divide="ignore"):
        joint = np.log(np.exp(a - top_a[:, None]) @ np.exp(b - top_b[:, None]).T / len(others))
    joint += top_a[:, None] + top_b[None, :]
    scores: Scores = joint - _log_mean(a)[:, None] - _log_mean(b)[None, :] + _quotation_scores(reports, records, others)
    return scores


def _moving(facts: Facts) -> Facts:
    """The stated facts that move a record."""
    return {slot: value for slot, value in facts.items() if slot in KINDS or slot in MOVING}


def _bare(study: Study) -> Study:
    """The study without what moves no record."""
    findings = tuple(Finding(found.name) for found in study.findings)
    return replace(study, findings=findings, devices=tuple(d for d in study.devices if d.name in MOVING))


def _quotation_scores(reports: Sequence[Facts], records: Sequence[Record], others: Sequence[Study]) -> Scores:
    """Score log p(quotations | record) - log p(quotations): 0 where the column is blank."""
    scores = np.zeros((len(reports), len(records)))
    known = [measurements(study) for study in others]
    for quotation in QUOTATIONS:
        usual = [float(values[quotation.column]) for values in known]
        written = Counter(f"{value:g}" for value in usual)
        applying = sum(quotation.applies(value) for value in usual) / len(usual)
        for j, record in enumerate(records):
            value = record[quotation.column]
            if value is None:
                continue
            silence = 1.0 - quotation.probability * quotation.applies(float(value))
            if_silent = log(silence) - log(1.0 - quotation.probability * applying)
            for i, facts in enumerate(reports):
                stated = facts.get(quotation.slot)
                if stated is None:
                    scores[i, j] += if_silent
                else:
                    scores[i, j] += log(len(usual) / written[stated]) if stated == f"{value:g}" else -inf
    return scores


def _log_mean(scores: LogLikelihood) -> Float64[np.ndarray, " items"]:
    """Logarithm of the mean likelihood over the studies."""
    top = scores.max(axis=1, keepdims=True)
    result: Float64[np.ndarray, " items"] = np.log(np.exp(scores - top).mean(axis=1)) + top[:, 0]
    return result
