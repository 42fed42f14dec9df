"""The table of arms: key metrics with intervals and marks, every metric behind a fold, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from closegap.evaluation.columns import (
    Differences,
    best_arms,
    columns,
    key_columns,
    marked,
    marks_key,
    seed_difference,
    steps_text,
    withheld_note,
)
from closegap.evaluation.report import Arm, Report
from closegap.metrics.figure import ARROWS, WORDS, Figure
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
            "pair": figures[0].about or ("All modalities" if len(keys) > 1 else ""),
            "groups": _groups(figures),
            "rows": [
                {"arm": arm.name, "steps": steps_text(report, arm), "cells": _row(report, arm, figures, given)}
                for arm in report.arms
            ],
        }
        for figures in keys.values()
    ]
    every = columns(report)
    full = [
        {
            "title": title,
            "rows": [{"figure": f, "cells": [_cell(report, arm, f, given) for arm in report.arms]} for f in group],
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


def _heading(figure: Figure) -> str:
    return f"{figure.about}: {figure.heading}" if figure.pair else figure.heading


def _groups(figures: Sequence[Figure]) -> list[dict[str, object]]:
    return [{"title": title, "figures": list(group)} for title, group in groupby(figures, key=lambda f: f.heading)]


def _row(report: Report, arm: Arm, figures: Sequence[Figure], differences: Differences) -> list[_Cell]:
    starts = [i > 0 and figures[i - 1].heading != figure.heading for i, figure in enumerate(figures)]
    return [_cell(report, arm, f, differences, starts=s) for f, s in zip(figures, starts, strict=True)]


def _cell(report: Report, arm: Arm, figure: Figure, differences: Differences, *, starts: bool = False) -> _Cell:
    estimate = arm.metrics.get(figure.full_name)
    if estimate is None:
        return _Cell("", starts=starts)
    difference = differences.get(arm.name, {}).get(figure.full_name)
    return _Cell(
        text=figure.text(estimate.value),
        interval=figure.interval(estimate),
        best=arm.name in best_arms(report, figure),
        mark=marked(report, arm, figure, differences),
        difference=f"difference{_from(report, arm)} {figure.signed(difference.value)} {figure.interval(difference)}"
        if difference
        else "",
        starts=starts,
        spread=_spread(report, arm, figure),
    )


def _spread(report: Report, arm: Arm, figure: Figure) -> str:
    """The standard deviation over seeds and the difference paired by them, where the report's data have it."""
    value = report.data.get("seed_spread", {}).get(arm.name, {}).get(figure.full_name)
    spread = "" if value is None else f"sd {figure.number(value)} over seeds"
    difference = seed_difference(report, arm, figure)
    if difference is None:
        return spread
    return f"{spread}; difference by seed {figure.signed(difference.value)} {figure.interval(difference)}"


def _from(report: Report, arm: Arm) -> str:
    control = report.data.get("compared_with", {}).get(arm.name)
    return f" from {control}" if control else ""


def _key(report: Report, baseline: str | None, differences: Differences) -> list[str]:
    lines = ["Arrows point to better; bold is the best of a column."]
    if any(estimate.low is not None for arm in report.arms for estimate in arm.metrics.values()):
        lines.append("Grey: 95% interval.")
    if baseline is not None and differences:
        lines.append(marks_key(report, baseline))
    if report.data.get("seed_differences"):
        lines.append(
            "Difference by seed: mean over three shared seeds or more with Student's 95% interval, among all metrics."
        )
    if note := withheld_note(report):
        lines.append(note)
    return lines
