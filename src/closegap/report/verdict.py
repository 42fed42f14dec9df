"""The verdict of a comparison, task by task: the arm that pays, its gain against its control, its cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from closegap.evaluation.columns import marked, seed_difference, steps_text
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP
from closegap.metrics.grouping import V_MEASURE
from closegap.metrics.mixed_matched import MATCHED
from closegap.posthoc import method_names

ONE_INDEX = "one index of all"

TASKS: Mapping[str, Callable[[Figure], bool]] = {
    "search across modalities": lambda figure: figure.task and figure.headline == 2,  # R@10, either way
    ONE_INDEX: lambda figure: figure.name == MATCHED.recall_at(10).name,
    "grouping": lambda figure: figure.name == V_MEASURE.name,
    "captions": lambda figure: figure.headline is not None and not figure.task and figure.name != GAP.name,
}
"""What embeddings are for, and the figures that say how well they do it."""

_SEEDS = 3  # below these no interval over seeds is worth its name


@dataclass(frozen=True)
class Verdict:
    """Which arm pays for one task.

    Args:
        task: one of `TASKS`.
        pair: of modalities, `image|caption`, where there are several; else "".
        arm: the arm of most worth; None where no arm gains what the intervals can tell.
        control: the arm that its gain is told against.
        gains: each figure of the task with what it was, what it becomes and the difference; those that gain first.
        brief: the gains without their intervals over seeds.
        costs: figures of any task that get worse by it, likewise.
        effort: what making the arm takes beyond its control, in words.
        commands: that make the arm, where it takes no training.
        highest: the arm with the highest figures, claimed or not; the first where none is higher.
        shown: the figures of the first arm and of `highest`, without any claim.
        merit: the gain, summed over the figures of the task.
    """

    task: str
    pair: str = ""
    arm: str | None = None
    control: str = ""
    gains: Sequence[str] = ()
    brief: Sequence[str] = ()
    costs: Sequence[str] = ()
    effort: str = ""
    commands: Sequence[str] = ()
    highest: str = ""
    shown: Sequence[str] = field(default_factory=tuple)
    merit: float = 0.0

    @property
    def about(self) -> str:
        """The task, of its pair of modalities where there are several."""
        return f"{self.modalities}, {self.task}" if self.pair else self.task

    @property
    def modalities(self) -> str:
        """The pair in words."""
        return self.pair.replace("|", " and ")


def verdicts(comparison: Comparison) -> list[Verdict]:
    """The verdict on each task that was measured, pair by pair; none where there is one arm.

    An arm gains where a figure of the task is marked better against its own control and none is marked worse (`marked`:
    by every interval that there is, over cases and over three seeds, and not where a placebo earns as much). Of these
    the one with the highest figures pays, if they are higher than those of the first arm.
    """
    if len(comparison.report.arms) < 2:
        return []
    figures = comparison.report.figures.values()
    found = []
    for pair in dict.fromkeys(figure.pair for figure in figures):
        for task, of_task in TASKS.items():
            chosen = [figure for figure in figures if figure.pair == pair and of_task(figure)]
            if chosen:
                found.append(_verdict(comparison, task, chosen))
    return found


def too_few_seeds(report: Report) -> str:
    """Why nothing can be claimed of arms that were trained; empty where there are three seeds or more, or none."""
    counts = [len({seed for seed in seeds if seed is not None}) for seeds in report.data.get("seeds", {}).values()]
    fewest = min((count for count in counts if count), default=_SEEDS)
    if fewest >= _SEEDS:
        return ""
    return "one seed" if fewest == 1 else f"{fewest} seeds"


def candidates(report: Report) -> list[Arm]:
    """The arms that may be advised: all but placebos and controls."""
    others = {*report.data.get("placebos", ()), *report.data.get("controls", ())}
    return [arm for arm in report.arms if arm.name not in others]


def _verdict(comparison: Comparison, task: str, figures: Sequence[Figure]) -> Verdict:
    report, first = comparison.report, comparison.report.arms[0]
    merits = {
        arm.name: sum(figure.merit(arm.metrics[figure.full_name].value) or 0.0 for figure in figures)
        for arm in candidates(report)
        if all(figure.full_name in arm.metrics for figure in figures)
    }
    floor = merits.get(first.name, float("-inf"))
    highest = max(merits, key=lambda name: merits[name], default=first.name)
    shown = [_values(report.arm(highest), first, figure) for figure in figures] if highest != first.name else []
    unclaimed = Verdict(task, figures[0].pair, highest=highest, shown=shown)
    gaining = [name for name in merits if merits[name] > floor and _gains(comparison, report.arm(name), figures)]
    if not gaining:
        return unclaimed
    arm = report.arm(max(gaining, key=lambda name: merits[name]))
    control = comparison.control(arm.name)
    judging = [figure for figure in report.figures.values() if any(of_task(figure) for of_task in TASKS.values())]
    worse = [figure for figure in judging if _sign(comparison, arm, figure) == "worse"]
    gaining_first = sorted(figures, key=lambda figure: _sign(comparison, arm, figure) != "better")
    return Verdict(
        task,
        figures[0].pair,
        arm.name,
        control,
        [_change(comparison, arm, figure) for figure in gaining_first],
        [_change(comparison, arm, figure, by_seed=False) for figure in gaining_first],
        [_change(comparison, arm, figure) for figure in worse],
        _effort(comparison, arm),
        _commands(comparison, arm.name),
        highest,
        shown,
        sum(_gain(comparison, arm, figure) for figure in figures),
    )


def _gains(comparison: Comparison, arm: Arm, figures: Sequence[Figure]) -> bool:
    if arm.name == comparison.baseline:
        return False
    signs = [_sign(comparison, arm, figure) for figure in figures]
    return "better" in signs and "worse" not in signs


def _sign(comparison: Comparison, arm: Arm, figure: Figure) -> str:
    if figure.full_name not in arm.metrics:
        return ""
    return marked(comparison.report, arm, figure, comparison.differences)


def _gain(comparison: Comparison, arm: Arm, figure: Figure) -> float:
    difference = _difference(comparison, arm, figure)
    return 0.0 if difference is None else (figure.merit(difference.value) or 0.0)


def _difference(comparison: Comparison, arm: Arm, figure: Figure) -> Estimate | None:
    return comparison.differences.get(arm.name, {}).get(figure.full_name)


def _values(arm: Arm, first: Arm, figure: Figure) -> str:
    after = figure.text(arm.metrics[figure.full_name].value)
    before = first.metrics.get(figure.full_name)
    return f"{figure.title} {after}" if before is None else f"{figure.title} {figure.text(before.value)} → {after}"


def _change(comparison: Comparison, arm: Arm, figure: Figure, by_seed: bool = True) -> str:
    control, difference = comparison.report.arm(comparison.control(arm.name)), _difference(comparison, arm, figure)
    change = _values(arm, control, figure)
    if difference is None:
        return change
    told = f"{figure.signed(difference.value)} {figure.interval(difference)}"
    of_seeds = seed_difference(comparison.report, arm, figure) if by_seed else None
    over_seeds = "" if of_seeds is None else f"; by seed {figure.interval(of_seeds)}"
    return f"{change} ({told}{over_seeds})"


def _untrained(comparison: Comparison, arm: str) -> bool:
    """Whether the arm is made of its control's embeddings alone."""
    found = comparison.firsts.get(arm)
    if found is None:
        return arm not in comparison.report.data.get("seeds", {})
    return found.seed is None or found.stage is not None or "posthoc" in found.embeddings.meta


def _effort(comparison: Comparison, arm: Arm) -> str:
    steps, control = steps_text(comparison.report, arm), comparison.control(arm.name)
    if _untrained(comparison, arm.name):
        return f"no training beyond that of {control} ({steps})" if steps else "no training"
    if steps == "step 0":
        return "no training (step 0)"
    return f"training ({steps})" if steps else "training"


def _commands(comparison: Comparison, arm: str) -> list[str]:
    """The commands of an arm's steps: methods are fitted and applied, a stage is fitted on what they leave."""
    found, control = comparison.firsts.get(arm), comparison.control(arm)
    if not _untrained(comparison, arm) or not arm.startswith(f"{control} + "):
        return []
    steps = arm.removeprefix(f"{control} + ").split(" + ")
    methods = [step for step in steps if step in method_names()]
    stages = [step for step in steps if step not in methods]
    splits = comparison.report.data.get("fitted_on", {})
    fit_on, reference = splits.get("methods", "train"), splits.get("stages", "train")
    commands, rows = [], f"{reference}.safetensors"
    if found is not None and found.seed is not None:
        needed = dict.fromkeys([*([fit_on] if methods else []), *([reference] if stages else [])])
        commands += [f"closegap embed RUN --split {split} --out {split}.safetensors" for split in needed]
    for step in methods:
        commands.append(f"closegap posthoc fit --method {step} --train {fit_on}.safetensors --out {step}.safetensors")
        if stages:
            seen, moved = " --in-sample" if reference == fit_on else "", f"{reference}-{step}.safetensors"
            commands.append(f"closegap posthoc apply {step}.safetensors {rows}{seen} --out {moved}")
            rows = moved
    return commands + [
        f"closegap scores fit --method {step} --reference {rows} --out {step}.safetensors" for step in stages
    ]
