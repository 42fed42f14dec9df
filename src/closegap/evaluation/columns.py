"""Which figures of a report stand in a table, which arm is best and which differ from the baseline."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.figure import Figure

Differences: TypeAlias = Mapping[str, Mapping[str, Estimate]]
"""Arm name to metric name to the paired difference from the arm that it is compared with."""

_LISTED = 3
"""Controls that the key of the marks names; of more it says what they are."""


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


def chance_text(report: Report, figure: Figure) -> str:
    """What the figure is by chance, as "chance 2.1%"; empty where the report does not have it."""
    beside = f"{figure.full_name}/chance"
    texts = dict.fromkeys(figure.text(arm.metrics[beside].value) for arm in report.arms if beside in arm.metrics)
    return f"chance {' or '.join(texts)}" if texts else ""


def seed_difference(report: Report, arm: Arm, figure: Figure) -> Estimate | None:
    """An arm's difference from its control paired by seed, where the report's data have it."""
    found = report.data.get("seed_differences", {}).get(arm.name, {}).get(figure.full_name)
    return None if found is None else Estimate(**found)


def mark(figure: Figure, estimate: Estimate, difference: Estimate | None) -> Literal["better", "worse", "differs", ""]:
    """How a number differs by one interval: empty unless the interval excludes 0 and the two do not read the same."""
    if difference is None or difference.low is None or difference.high is None:
        return ""
    if difference.low <= 0 <= difference.high:
        return ""
    if figure.number(estimate.value) == figure.number(estimate.value - difference.value):
        return ""
    mine, base = figure.merit(estimate.value), figure.merit(estimate.value - difference.value)
    if mine is None or base is None:
        return "differs"
    return "better" if mine > base else "worse"


def marked(
    report: Report, arm: Arm, figure: Figure, differences: Differences
) -> Literal["better", "worse", "differs", ""]:
    """How an arm differs from the one that it is compared with, by all the intervals that the report has.

    An arm that was trained needs both: over cases and, paired by seed, over three seeds or more. What a placebo earns,
    no arm beside it has gained.
    """
    name = figure.full_name
    found = mark(figure, arm.metrics[name], differences.get(arm.name, {}).get(name))
    if not found:
        return ""
    if any(seed is not None for seed in report.data.get("seeds", {}).get(arm.name, ())):
        by_seed = mark(figure, arm.metrics[name], seed_difference(report, arm, figure))
        if by_seed != found:
            return ""
    control = report.data.get("compared_with", {})
    placebos = [other for other in report.arms if other.name in report.data.get("placebos", ()) and other is not arm]
    beside = [other for other in placebos if control.get(other.name) == control.get(arm.name) and name in other.metrics]
    return "" if any(marked(report, other, figure, differences) == found for other in beside) else found


def marks_key(report: Report, baseline: str) -> str:
    """What the marks of a table mean."""
    controls = report.data.get("compared_with", {})
    others = [f"{arm} from {control}" for arm, control in controls.items() if control != baseline]
    if len(others) > _LISTED:
        from_whom = f"from {baseline}, or from an arm's own control: what it is without what it adds"
    else:
        from_whom = f"from {baseline}" + (f" ({'; '.join(others)})" if others else "")
    over = "over cases and by seed (of three seeds or more)" if report.data.get("seeds") else "over cases"
    return f"▲ better, ▼ worse, ◆ different: the paired 95% interval of the difference {from_whom} excludes 0, {over}."


def steps_text(report: Report, arm: Arm) -> str:
    """At which steps an arm's runs are judged: `step 18 to 42`; empty where nothing was trained."""
    steps = sorted({step for step in report.data.get("steps", {}).get(arm.name, ()) if step is not None})
    if not steps:
        return ""
    return f"step {steps[0]:,}" if len(steps) == 1 else f"step {steps[0]:,} to {steps[-1]:,}"


def _lacking(figure: Figure, arms: Sequence[Arm]) -> list[str]:
    """What the figure must not be shown without and an arm that has it does not have."""
    having = [arm for arm in arms if figure.full_name in arm.metrics]
    return [name for name in figure.beside if any(figure.sibling(name) not in arm.metrics for arm in having)]
