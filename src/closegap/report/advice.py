"""What to do about embeddings, task by task: the arm of most worth, its gain, its cost, the command that makes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from closegap.evaluation.columns import marked
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Estimate
from closegap.metrics.figure import Figure
from closegap.metrics.grouping import V_MEASURE
from closegap.metrics.mixed_matched import MATCHED
from closegap.posthoc import method_names
from closegap.report.figures import Section

_ONE_INDEX = MATCHED.recall_at(10).name

TASKS: Mapping[str, Callable[[Figure], bool]] = {
    "search across modalities": lambda figure: figure.task and figure.headline == 2,  # R@10, either way
    "one index of all": lambda figure: figure.name == _ONE_INDEX,
    "grouping": lambda figure: figure.name == V_MEASURE.name,
}
"""What embeddings are for, and the figures that say how well they do it."""


@dataclass(frozen=True)
class Advice:
    """What to do for one task.

    Args:
        task: one of `TASKS`, of a pair of modalities where there are several.
        arm: the arm of most worth; None to leave the embeddings as they are.
        gains: each figure of the task with what it was, what it becomes and the difference.
        costs: figures of any task that get worse by it, likewise.
        commands: that make the arm.
    """

    task: str
    arm: str | None
    gains: Sequence[str] = ()
    costs: Sequence[str] = ()
    commands: Sequence[str] = ()

    @property
    def sentence(self) -> str:
        """On one line, the commands left out."""
        if self.arm is None:
            return f"{self.task}: leave them as they are, no arm gains more than this sample can tell."
        cost = f"; at the cost of {', '.join(self.costs)}" if self.costs else "; nothing else falls"
        return f"{self.task}: {self.arm}: {', '.join(self.gains)}{cost}."


def advice(comparison: Comparison) -> list[Advice]:
    """What to do for each task that was measured, of the arms that are compared with the first one.

    An arm gains where a figure of the task is marked better and none is marked worse (`marked`: by every interval that
    there is, and not where a placebo earns as much). Of these the one that gains most is of most worth.
    """
    figures = comparison.report.figures.values()
    found = []
    for pair in dict.fromkeys(figure.pair for figure in figures):
        for task, of_task in TASKS.items():
            chosen = [figure for figure in figures if figure.pair == pair and of_task(figure)]
            if chosen:
                about = f"{chosen[0].about}, {task}" if pair else task
                found.append(_advice(comparison, about, chosen))
    return found


def advice_section(found: Sequence[Advice]) -> Section:
    """The section of a page that says what to do."""
    items = Markup("").join(
        Markup("<li><b>{}</b>{}{}</li>").format(
            one.task,
            one.sentence.removeprefix(one.task),
            Markup("").join(Markup("<br><code>{}</code>").format(command) for command in one.commands),
        )
        for one in found
    )
    lead = (
        "For each task the arm of most worth, told by its paired interval against the original and against a placebo."
    )
    return Section("What to do", lead, Markup("<ul>{}</ul>").format(items))


def _advice(comparison: Comparison, task: str, figures: Sequence[Figure]) -> Advice:
    report, first = comparison.report, comparison.report.arms[0]
    control = report.data.get("compared_with", {})
    best: tuple[float, Arm] | None = None
    for arm in report.arms[1:]:
        if control.get(arm.name, first.name) != first.name or arm.name in report.data.get("placebos", ()):
            continue
        signs = [_sign(comparison, arm, figure) for figure in figures]
        if "better" in signs and "worse" not in signs:
            gain = sum(_gain(comparison, arm, figure) for figure in figures)
            if best is None or gain > best[0]:
                best = gain, arm
    if best is None:
        return Advice(task, None)
    arm = best[1]
    judging = [figure for figure in report.figures.values() if any(of_task(figure) for of_task in TASKS.values())]
    worse = [figure for figure in judging if _sign(comparison, arm, figure) == "worse"]
    return Advice(
        task,
        arm.name,
        [_change(comparison, arm, figure) for figure in figures],
        [_change(comparison, arm, figure) for figure in worse],
        _commands(arm.name.removeprefix(f"{first.name} + ").split(" + ")),
    )


def _sign(comparison: Comparison, arm: Arm, figure: Figure) -> str:
    if figure.full_name not in arm.metrics:
        return ""
    return marked(comparison.report, arm, figure, comparison.differences)


def _gain(comparison: Comparison, arm: Arm, figure: Figure) -> float:
    difference = _difference(comparison, arm, figure)
    return 0.0 if difference is None else (figure.merit(difference.value) or 0.0)


def _difference(comparison: Comparison, arm: Arm, figure: Figure) -> Estimate | None:
    return comparison.differences.get(arm.name, {}).get(figure.full_name)


def _change(comparison: Comparison, arm: Arm, figure: Figure) -> str:
    before, difference = comparison.report.arms[0].metrics[figure.full_name], _difference(comparison, arm, figure)
    change = f"{figure.title} {figure.text(before.value)} → {figure.text(arm.metrics[figure.full_name].value)}"
    return (
        change if difference is None else f"{change} ({figure.signed(difference.value)} {figure.interval(difference)})"
    )


def _commands(steps: Sequence[str]) -> list[str]:
    """The commands of an arm's steps: methods are fitted and applied, a stage is fitted on what they leave."""
    commands, reference = [], "train.safetensors"
    for step in steps:
        if step in method_names():
            commands.append(f"closegap posthoc fit --method {step} --train {reference} --out {step}.safetensors")
            moved = f"train-{step}.safetensors"
            commands.append(f"closegap posthoc apply {step}.safetensors {reference} --in-sample --out {moved}")
            reference = moved
        else:
            commands.append(f"closegap scores fit --method {step} --reference {reference} --out {step}.safetensors")
    if commands and "posthoc apply" in commands[-1]:
        commands.pop()  # the moved train split is for what comes after
    return commands
