"""An arm against its control, figure by figure, in one sentence that claims no more than its intervals."""

from collections.abc import Mapping, Sequence

from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP


def told_alone(comparison: Comparison) -> str:
    """The headlines of the first arm, gap and Recall@10 both ways, of the first pair of modalities."""
    told = headlines(comparison.report, comparison.report.arms[0])
    if not told:
        return f"{comparison.baseline}: no pair of modalities could be measured."
    return sentence(comparison, comparison.baseline, [figure for figure in told if figure.pair == told[0].pair])


def headlines(report: Report, arm: Arm) -> list[Figure]:
    """What is told of an arm in one sentence, in order."""
    told = [figure for name, figure in report.figures.items() if name in arm.metrics and figure.headline is not None]
    return sorted(told, key=lambda figure: figure.headline or 0)


def sentence(comparison: Comparison, subject_name: str, figures: Sequence[Figure]) -> str:
    """These figures of an arm, which must have them, against the arm that it is compared with."""
    subject = comparison.report.arm(subject_name)
    baseline = comparison.report.arm(comparison.control(subject.name))
    if subject is baseline:
        return f"{subject.name}: {'; '.join(_alone(figure, subject) for figure in figures)}."
    both = [figure for figure in figures if figure.full_name in baseline.metrics]
    told = [_against(figure, subject, baseline, comparison.differences[subject.name]) for figure in both]
    return f"{subject.name} against {baseline.name}: {'; '.join(told)}."


def _alone(figure: Figure, arm: Arm) -> str:
    return f"{_title(figure)} {figure.text(arm.metrics[figure.full_name].value)}"


def _against(figure: Figure, arm: Arm, baseline: Arm, differences: Mapping[str, Estimate]) -> str:
    here, there = arm.metrics[figure.full_name].value, baseline.metrics[figure.full_name].value
    change = f"{_title(figure)} {figure.text(there)} → {figure.text(here)}"
    difference = differences.get(figure.full_name)
    if difference is None or difference.low is None or difference.high is None:
        return change
    interval = figure.interval(difference)
    apart = difference.low > 0 or difference.high < 0
    return f"{change} (difference {interval}{'' if apart else ': no difference that this sample can tell'})"


def _title(figure: Figure) -> str:
    return "gap" if figure.name == GAP.name else figure.title
