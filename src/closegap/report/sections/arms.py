"""The table of arms: key metrics with intervals and marks, every metric behind a fold, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from closegap.evaluation.columns import (
    Differences,
    best_arms,
    chance_text,
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

_BESIDE = 8  # arms that a window of 1,400 pixels shows beside each other


@dataclass(frozen=True)
class _Cell:
    """One value as the template writes it."""

    text: str
    interval: str = ""
    best: bool = False
    mark: str = ""
    difference: str = ""
    by_seed: str = ""
    spread: str = ""


def arms_section(report: Report, *, baseline: str | None = None, differences: Differences | None = None) -> Section:
    """The section with key metrics as rows and arms as columns, as many beside each other as are seen at once.

    Args:
        report: what to show.
        baseline: the arm that `differences` are relative to.
        differences: arm name to metric name to paired difference from its control; a cell is marked where every
            interval of the difference excludes 0 (`marked`).
    """
    given = differences or {}
    keys = key_columns(report)
    blocks = [
        {
            "pair": figures[0].about or ("All modalities" if len(keys) > 1 else ""),
            "tables": [
                {"arms": [_head(report, arm) for arm in arms], "groups": _groups(report, arms, figures, given)}
                for arms in _side_by_side(report.arms)
            ],
        }
        for figures in keys.values()
    ]
    every = columns(report)
    full = [
        {"title": title, "rows": _rows(report, report.arms, list(group), given)}
        for title, group in groupby(every, key=_heading)
    ]
    html = render(
        "arms.html",
        blocks=blocks,
        baseline=baseline,
        key=_key(report, baseline, given),
        full=full,
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


def _side_by_side(arms: Sequence[Arm]) -> list[Sequence[Arm]]:
    """The arms in as few tables as can be seen without scrolling sideways, as even as possible."""
    tables = max(1, ceil(len(arms) / _BESIDE))
    each = ceil(len(arms) / tables)
    return [arms[start : start + each] for start in range(0, len(arms), each)]


def _head(report: Report, arm: Arm) -> dict[str, str]:
    return {"name": arm.name, "steps": steps_text(report, arm)}


def _groups(
    report: Report, arms: Sequence[Arm], figures: Sequence[Figure], differences: Differences
) -> list[dict[str, object]]:
    return [
        {"title": title, "rows": _rows(report, arms, list(group), differences)}
        for title, group in groupby(figures, key=lambda figure: figure.heading)
    ]


def _rows(
    report: Report, arms: Sequence[Arm], figures: Sequence[Figure], differences: Differences
) -> list[dict[str, object]]:
    return [
        {
            "figure": figure,
            "chance": chance_text(report, figure),
            "cells": [_cell(report, arm, figure, differences) for arm in arms],
        }
        for figure in figures
    ]


def _cell(report: Report, arm: Arm, figure: Figure, differences: Differences) -> _Cell:
    estimate = arm.metrics.get(figure.full_name)
    if estimate is None:
        return _Cell("")
    difference = differences.get(arm.name, {}).get(figure.full_name)
    return _Cell(
        text=figure.text(estimate.value),
        interval=figure.interval(estimate),
        best=arm.name in best_arms(report, figure),
        mark=marked(report, arm, figure, differences),
        difference=f"difference{_from(report, arm)} {figure.signed(difference.value)} {figure.interval(difference)}"
        if difference
        else "",
        by_seed=_by_seed(report, arm, figure),
        spread=_spread(report, arm, figure),
    )


def _by_seed(report: Report, arm: Arm, figure: Figure) -> str:
    """The difference paired by seed, as it stands beside the value."""
    difference = seed_difference(report, arm, figure)
    return "" if difference is None else f"Δ {figure.signed(difference.value)} {figure.interval(difference)}"


def _spread(report: Report, arm: Arm, figure: Figure) -> str:
    """The standard deviation over seeds, where the report's data have it."""
    value = report.data.get("seed_spread", {}).get(arm.name, {}).get(figure.full_name)
    return "" if value is None else f"sd {figure.number(value)} over seeds"


def _from(report: Report, arm: Arm) -> str:
    control = report.data.get("compared_with", {}).get(arm.name)
    return f" from {control}" if control else ""


def _key(report: Report, baseline: str | None, differences: Differences) -> list[str]:
    lines = ["Arrows point to better; bold is the best of a row."]
    if any(estimate.low is not None for arm in report.arms for estimate in arm.metrics.values()):
        lines.append("Grey: 95% interval.")
    if baseline is not None and differences:
        lines.append(marks_key(report, baseline))
    if report.data.get("seed_differences"):
        lines.append(
            "Δ: that difference paired by seed, mean over three shared seeds or more with Student's 95% interval."
        )
    if note := withheld_note(report):
        lines.append(note)
    return lines
