"""Verdicts in words: one sentence with which a page opens, and a line for each task."""

from collections.abc import Sequence

from closegap.evaluation.compare import Comparison
from closegap.report.verdict import ONE_INDEX, Verdict, too_few_seeds, verdicts

_NAMED = 2  # arms in the sentence; the others stand in the verdicts


def answer(comparison: Comparison) -> str:
    """What a reader takes home, in one sentence: which arm pays for what, or that none does.

    Of many arms that pay it names the two that pay for most, and the intervals over cases alone.
    """
    found, report = verdicts(comparison), comparison.report
    if not found:
        return "Nothing can be said of a task: no search and no grouping was measured in two arms."
    paying: dict[str, list[Verdict]] = {}
    for one in found:
        if one.arm is not None:
            paying.setdefault(one.arm, []).append(one)
    tasks = list(dict.fromkeys(one.task for one in found))
    if paying:
        most = sorted(paying, key=lambda arm: -len(paying[arm]))
        told = "; ".join(f"{arm} pays for {_of_tasks(paying[arm])}" for arm in most[:_NAMED])
        others = len(most) - _NAMED
        more = f"; {others} more arm{'s pay' if others > 1 else ' pays'} for what stands below" if others > 0 else ""
        left = [task for task in tasks if not any(one.arm for one in found if one.task == task)]
        return f"{told}{more}{f'; for {_listed(left)} no arm does' if left else ''}."
    if seeds := too_few_seeds(report):
        return f"{seeds.capitalize()}, so nothing is claimed{_highest(found)}."
    return f"No arm pays for {_listed(tasks)}: nothing is gained over {comparison.baseline} that this sample can tell."


def verdict_lines(comparison: Comparison) -> list[str]:
    """A line for each task, its commands below it; of several pairs of modalities what pays for which."""
    found, seeds = verdicts(comparison), too_few_seeds(comparison.report)
    if len({one.pair for one in found}) <= 1:
        return [line for one in found for line in (sentence(one, seeds), *(f"  {command}" for command in one.commands))]
    return [
        _of_pairs([one for one in found if one.task == task], seeds) for task in dict.fromkeys(o.task for o in found)
    ]


def sentence(verdict: Verdict, seeds: str = "") -> str:
    """A verdict on one line, its commands left out.

    Args:
        verdict: of one task.
        seeds: why nothing can be claimed (`too_few_seeds`).
    """
    if verdict.arm is not None:
        told = f"{verdict.arm} pays against {verdict.control}: {', '.join(verdict.gains)}"
        told = f"{told}; {verdict.effort}{_cost(verdict)}"
    elif seeds:
        higher = f"; highest here: {verdict.highest}, {', '.join(verdict.shown)}" if verdict.shown else ""
        told = f"{seeds}, nothing is claimed{higher}"
    else:
        told = "leave them as they are, no arm gains more than this sample can tell"
    return f"{verdict.about}: {told}."


def _of_pairs(found: Sequence[Verdict], seeds: str) -> str:
    """One task's verdicts on several pairs on one line."""
    by_arm: dict[str | None, list[Verdict]] = {}
    for one in found:
        by_arm.setdefault(one.arm, []).append(one)
    left = by_arm.pop(None, [])
    told = [f"{arm} pays for {_gained(some)}; {some[0].effort}{_cost(some[0])}" for arm, some in by_arm.items()]
    if left:
        why = f"{seeds}, nothing is claimed" if seeds else "leave them as they are"
        told.append(
            f"{why}: {', '.join(one.modalities for one in left)}" if by_arm else f"{why}, of every pair of modalities"
        )
    return f"{found[0].task}: {'. '.join(told)}."


def _of_tasks(found: Sequence[Verdict]) -> str:
    """`one index of all: R@10 10.0% → 20.0% (+10.0 [8.0, 12.0])`; of several pairs which."""
    by_task: dict[str, list[Verdict]] = {}
    for one in found:
        by_task.setdefault(one.task, []).append(one)
    return ", and for ".join(
        f"{task} ({some[0].modalities}{_more(len(some) - 1)})" if some[0].pair else f"{task}: {some[0].brief[0]}"
        for task, some in by_task.items()
    )


def _gained(found: Sequence[Verdict]) -> str:
    return "; ".join(f"{one.modalities} ({one.gains[0]})" for one in found)


def _cost(verdict: Verdict) -> str:
    return f"; at the cost of {', '.join(verdict.costs)}" if verdict.costs else "; nothing else falls"


def _more(pairs: int) -> str:
    return f" and {pairs} more pair{'s' * (pairs > 1)}" if pairs else ""


def _highest(found: Sequence[Verdict]) -> str:
    """What is highest in one index, without a claim."""
    shown = [one for one in found if one.shown]
    if not shown:
        return ""
    one = next((one for one in shown if one.task == ONE_INDEX), shown[0])
    return f"; highest for {one.about} is {one.highest}: {', '.join(one.shown)}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
