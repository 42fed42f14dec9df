"""The table of arms: key metrics with intervals and marks, every metric behind a fold, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from closegap.evaluation.metric import ARROWS, WORDS, Metric
from closegap.evaluation.report import Arm, Report
from closegap.report.columns import Differences, best_arms, columns, key_columns, mark, seed_difference, withheld_note
from closegap.report.figures import Section
from closegap.report.html import render


@dataclass(frozen=True)
class _Cell:
    """One value as the template writes it."""

    text: str
    interval: str = ""
    best: bool = False
    mark: str = ""
    difference: str = ""
    starts: bool = False
    spread: str = ""


def arms_section(report: Report, *, baseline: str | None = None, differences: Differences | None = None) -> Section:
    """The section with the arms as rows.

    Args:
        report: what to show.
        baseline: the arm that `differences` are relative to.
        differences: arm name to metric name to paired difference from the baseline; a cell is marked where the
            difference's interval excludes 0.
    """
    given = differences or {}
    keys = key_columns(report)
    blocks = [
        {
            "pair": pair.replace("|", " and ") or ("All modalities" if len(keys) > 1 else ""),
            "groups": _groups(metrics),
            "rows": [{"arm": arm.name, "cells": _row(report, arm, metrics, given)} for arm in report.arms],
        }
        for pair, metrics in keys.items()
    ]
    every = columns(report)
    full = [
        {
            "title": title,
            "rows": [{"metric": m, "cells": [_cell(report, arm, m, given) for arm in report.arms]} for m in group],
        }
        for title, group in groupby(every, key=_heading)
    ]
    html = render(
        "arms.html",
        blocks=blocks,
        baseline=baseline,
        key=_key(report, baseline, given),
        full=[{**group, "rows": list(group["rows"])} for group in full],
        count=len(every),
        arms=[arm.name for arm in report.arms],
        skipped=report.skipped,
        arrows=ARROWS,
        words=WORDS,
    )
    if len(report.arms) == 1:
        return Section("What was measured", "Retrieval is over the full gallery.", html)
    return Section("Arms side by side", "Every arm was measured on the same cases, over the full gallery.", html)


def _heading(metric: Metric) -> str:
    return f"{metric.pair.replace('|', ' and ')}: {metric.group}" if metric.pair else metric.group


def _groups(metrics: Sequence[Metric]) -> list[dict[str, object]]:
    return [{"title": title, "metrics": list(group)} for title, group in groupby(metrics, key=lambda m: m.group)]


def _row(report: Report, arm: Arm, metrics: Sequence[Metric], differences: Differences) -> list[_Cell]:
    starts = [i > 0 and metrics[i - 1].group != metric.group for i, metric in enumerate(metrics)]
    return [_cell(report, arm, m, differences, starts=s) for m, s in zip(metrics, starts, strict=True)]


def _cell(report: Report, arm: Arm, metric: Metric, differences: Differences, *, starts: bool = False) -> _Cell:
    estimate = arm.metrics.get(metric.name)
    if estimate is None:
        return _Cell("", starts=starts)
    difference = differences.get(arm.name, {}).get(metric.name)
    return _Cell(
        text=metric.text(estimate.value),
        interval=metric.interval(estimate),
        best=arm.name in best_arms(report, metric),
        mark=mark(metric, estimate, difference),
        difference=f"difference {metric.signed(difference.value)} {metric.interval(difference)}" if difference else "",
        starts=starts,
        spread=_spread(report, arm, metric),
    )


def _spread(report: Report, arm: Arm, metric: Metric) -> str:
    """The standard deviation over seeds and the difference paired by them, where the report's data have it."""
    value = report.data.get("seed_spread", {}).get(arm.name, {}).get(metric.name)
    spread = "" if value is None else f"sd {metric.number(value)} over seeds"
    difference = seed_difference(report, arm, metric)
    if difference is None:
        return spread
    return f"{spread}; difference by seed {metric.signed(difference.value)} {metric.interval(difference)}"


def _key(report: Report, baseline: str | None, differences: Differences) -> list[str]:
    lines = ["Arrows point to better; bold is the best of a column."]
    if any(estimate.low is not None for arm in report.arms for estimate in arm.metrics.values()):
        lines.append("Grey: 95% interval.")
    if baseline is not None and differences:
        lines.append(
            f"▲ better, ▼ worse, ◆ different: the paired interval of the difference from {baseline} excludes 0."
        )
    if report.data.get("seed_differences"):
        lines.append("Difference by seed: mean over shared seeds with Student's 95% interval, among all metrics.")
    if note := withheld_note(report):
        lines.append(note)
    return lines
