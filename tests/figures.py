"""Figures by name, as the package defines them, for reports that tests write by hand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from closegap.evaluation.report import Arm, Report, Skipped
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.cosines import COS_CORRECTED, COS_NULL, COS_TRUE_PAIRS
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP, GAP_DEBIASED, GAP_FLOOR
from closegap.metrics.grouping import V_MEASURE
from closegap.metrics.ranking import KS
from closegap.metrics.retrieval import across, mean_recall

_ALONE = (GAP, GAP_FLOOR, GAP_DEBIASED, COS_TRUE_PAIRS, COS_NULL, COS_CORRECTED, V_MEASURE, *map(mean_recall, KS))

_NOTHING = Sampled(0.0, torch.empty(0))


def figure(full_name: str) -> Figure:
    """The figure of this name; a new one, of no direction, where there is none."""
    pair, _, name = full_name.rpartition(":")
    known = {one.name: one for one in _ALONE}
    source, found, target = name.partition("/")[0].partition("_to_")
    if found:
        search = across(source, target)
        ranks = search.measured(dict.fromkeys(("median_rank", "mrr", "map"), _NOTHING))
        known |= {one.name: one for one in (*map(search.recall_at, KS), *ranks)}
    return known.get(name, Figure(name, name, "Other")).of(pair)


def figures(names: Iterable[str]) -> dict[str, Figure]:
    """Full name to figure."""
    return {name: figure(name) for name in names}


def report(arms: Sequence[Arm], skipped: Sequence[Skipped] = (), data: Mapping[str, Any] | None = None) -> Report:
    """A report whose numbers are described."""
    return Report(arms, skipped, data or {}, figures(name for arm in arms for name in arm.metrics))
