"""What a comparison says, in one sentence that claims no more than its intervals."""

from collections.abc import Sequence

from closegap.evaluation.compare import Comparison
from closegap.evaluation.metric import Metric, describe
from closegap.evaluation.report import Arm, Estimate


def verdict(comparison: Comparison, subject_name: str) -> str:
    """Gap and Recall@10 of an arm against the baseline; says where the sample cannot tell them apart."""
    subject = _arm(comparison, subject_name)
    names = [name for name in subject.metrics if name.rpartition(":")[2] == "gap" or name.endswith("/R@10")]
    first_pair = describe(names[0]).pair if names else ""
    metrics = [describe(name) for name in names if describe(name).pair == first_pair and "mixed" not in name]
    if not metrics:
        return f"{subject.name}: no pair of modalities could be measured."
    return sentence(comparison, subject_name, metrics)


def sentence(comparison: Comparison, subject_name: str, metrics: Sequence[Metric]) -> str:
    """These metrics of an arm, which must have them, against the baseline."""
    subject, baseline = _arm(comparison, subject_name), comparison.report.arms[0]
    if subject is baseline:
        return f"{subject.name}: {'; '.join(_alone(metric, subject) for metric in metrics)}."
    both = [metric for metric in metrics if metric.name in baseline.metrics]
    told = [_against(metric, subject, baseline, comparison.differences[subject.name]) for metric in both]
    return f"{subject.name} against {baseline.name}: {'; '.join(told)}."


def _arm(comparison: Comparison, name: str) -> Arm:
    return next(arm for arm in comparison.report.arms if arm.name == name)


def _alone(metric: Metric, arm: Arm) -> str:
    return f"{_title(metric)} {metric.text(arm.metrics[metric.name].value)}"


def _against(metric: Metric, arm: Arm, baseline: Arm, differences: dict[str, Estimate] | object) -> str:
    assert isinstance(differences, dict)
    here, there = arm.metrics[metric.name].value, baseline.metrics[metric.name].value
    change = f"{_title(metric)} {metric.text(there)} → {metric.text(here)}"
    difference = differences.get(metric.name)
    if difference is None or difference.low is None or difference.high is None:
        return change
    interval = metric.interval(difference)
    apart = difference.low > 0 or difference.high < 0
    return f"{change} (difference {interval}{'' if apart else ': no difference that this sample can tell'})"


def _title(metric: Metric) -> str:
    return "gap" if metric.base == "gap" else metric.title.replace("Retrieval, ", "").replace(":", "")
