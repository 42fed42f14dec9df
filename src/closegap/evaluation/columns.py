"""Which figures of a report stand in a table, which arm is best and which differ from the baseline."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.figure import Figure

Differences: TypeAlias = Mapping[str, Mapping[str, Estimate]]
"""Arm name to metric name to the paired difference from the baseline arm."""


def columns(report: Report) -> list[Figure]:
    """Every figure of the report, in reading order.

    One that must not be shown alone is left out where an arm that has it lacks what it belongs beside: a gap and
    cosines without the null say nothing.
    """
    return [figure for figure in report.figures.values() if not _lacking(figure, report.arms)]


def key_columns(report: Report) -> dict[str, list[Figure]]:
    """The figures to look at first, by pair of modalities ("" where a report has only one pair)."""
    keys = [figure for figure in columns(report) if figure.key]
    pairs = dict.fromkeys(figure.pair for figure in keys)
    return {pair: [figure for figure in keys if figure.pair == pair] for pair in pairs}


def withheld_note(report: Report) -> str:
    """What is left out for lack of what it belongs beside, or an empty string."""
    withheld = {figure: _lacking(figure, report.arms) for figure in report.figures.values()}
    withheld = {figure: lacking for figure, lacking in withheld.items() if lacking}
    if not withheld:
        return ""
    titles = dict.fromkeys(figure.title for figure in withheld)
    lacking = dict.fromkeys(name for names in withheld.values() for name in names)
    return f"Left out: {', '.join(titles)}; without {', '.join(lacking)} beside them they can be had for free."


def best_arms(report: Report, figure: Figure) -> set[str]:
    """The names of the best arms; empty where the figure has no direction or only one arm has it."""
    name = figure.full_name
    texts = {arm.name: figure.number(arm.metrics[name].value) for arm in report.arms if name in arm.metrics}
    merits = {name: figure.merit(float(text)) for name, text in texts.items()}
    known = {name: merit for name, merit in merits.items() if merit is not None}
    if len(known) < 2 or len(set(known.values())) == 1:
        return set()
    top = max(known.values())
    return {name for name, merit in known.items() if merit == top}


def seed_difference(report: Report, arm: Arm, figure: Figure) -> Estimate | None:
    """An arm's difference from the baseline paired by seed, where the report's data have it."""
    found = report.data.get("seed_differences", {}).get(arm.name, {}).get(figure.full_name)
    return None if found is None else Estimate(**found)


def mark(figure: Figure, estimate: Estimate, difference: Estimate | None) -> Literal["better", "worse", "differs", ""]:
    """How an arm differs from the baseline: empty unless the paired interval excludes 0."""
    if difference is None or difference.low is None or difference.high is None:
        return ""
    if difference.low <= 0 <= difference.high:
        return ""
    mine, base = figure.merit(estimate.value), figure.merit(estimate.value - difference.value)
    if mine is None or base is None:
        return "differs"
    return "better" if mine > base else "worse"


def _lacking(figure: Figure, arms: Sequence[Arm]) -> list[str]:
    """What the figure must not be shown without and an arm that has it does not have."""
    having = [arm for arm in arms if figure.full_name in arm.metrics]
    return [name for name in figure.beside if any(figure.sibling(name) not in arm.metrics for arm in having)]
