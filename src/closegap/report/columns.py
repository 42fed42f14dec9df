"""Which metrics of a report stand in a table, which arm is best and which differ from the baseline."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from closegap.evaluation.metric import Metric, describe
from closegap.evaluation.report import Arm, Estimate, Report

Differences: TypeAlias = Mapping[str, Mapping[str, Estimate]]
"""Arm name to metric name to the paired difference from the baseline arm."""

_KEY = re.compile(
    r"gap|gap_floor|cos_(true_pairs|null|corrected)|[^/]+_to_[^/]+/R@(1|5|10)"
    r"|mixed/(R@10|own_modality_share|ndcg@10)|mixed_balanced/R@10|v_measure"
    r"|bleu-4/.+|(rouge-l|cider|rouge-1|meteor|spice|bertscore|concept_f1)/.+|distinct_captions|mean_words"
)
_NEEDS_NULL = re.compile(r"gap(_floor|_debiased)?|cos_(true_pairs|corrected)")


def columns(report: Report) -> list[Metric]:
    """Every metric that some arm has, in reading order.

    Gap and cosines are left out where an arm that has them lacks the null: alone they say nothing.
    """
    names = dict.fromkeys(name for arm in report.arms for name in arm.metrics)
    metrics = [describe(name) for name in names]
    groups = {group: min(m.order for m in metrics if m.group == group) for group in {m.group for m in metrics}}
    position = {name: i for i, name in enumerate(names)}
    shown = [metric for metric in metrics if not _withheld(metric, report.arms)]
    first_seen = {metric.group: position[metric.name] for metric in reversed(metrics)}
    return sorted(shown, key=lambda m: (groups[m.group], first_seen[m.group], m.order, _cutoff(m), position[m.name]))


def key_columns(report: Report) -> dict[str, list[Metric]]:
    """The metrics to look at first, by pair of modalities ("" where a report has only one pair)."""
    keys = [metric for metric in columns(report) if _KEY.fullmatch(metric.base)]
    pairs = dict.fromkeys(metric.pair for metric in keys)
    return {pair: [metric for metric in keys if metric.pair == pair] for pair in pairs}


def withheld_note(report: Report) -> str:
    """Why gap and cosines are missing, or an empty string."""
    lacking = any(_withheld(describe(name), report.arms) for arm in report.arms for name in arm.metrics)
    return "Gap and cosines are left out: without cos_null beside them they can be had for free." if lacking else ""


def best_arms(report: Report, metric: Metric) -> set[str]:
    """The names of the best arms; empty where the metric has no direction or only one arm has it."""
    texts = {
        arm.name: metric.number(arm.metrics[metric.name].value) for arm in report.arms if metric.name in arm.metrics
    }
    merits = {name: metric.merit(float(text)) for name, text in texts.items()}
    known = {name: merit for name, merit in merits.items() if merit is not None}
    if len(known) < 2 or len(set(known.values())) == 1:
        return set()
    top = max(known.values())
    return {name for name, merit in known.items() if merit == top}


def seed_difference(report: Report, arm: Arm, metric: Metric) -> Estimate | None:
    """An arm's difference from the baseline paired by seed, where the report's data have it."""
    found = report.data.get("seed_differences", {}).get(arm.name, {}).get(metric.name)
    return None if found is None else Estimate(**found)


def mark(metric: Metric, estimate: Estimate, difference: Estimate | None) -> Literal["better", "worse", "differs", ""]:
    """How an arm differs from the baseline: empty unless the paired interval excludes 0."""
    if difference is None or difference.low is None or difference.high is None:
        return ""
    if difference.low <= 0 <= difference.high:
        return ""
    mine, base = metric.merit(estimate.value), metric.merit(estimate.value - difference.value)
    if mine is None or base is None:
        return "differs"
    return "better" if mine > base else "worse"


def _cutoff(metric: Metric) -> int:
    found = re.search(r"@(\d+)", metric.base)
    return int(found[1]) if found else 0


def _withheld(metric: Metric, arms: Sequence[Arm]) -> bool:
    if not _NEEDS_NULL.fullmatch(metric.base):
        return False
    null = f"{metric.pair}:cos_null" if metric.pair else "cos_null"
    return any(null not in arm.metrics for arm in arms if metric.name in arm.metrics)
