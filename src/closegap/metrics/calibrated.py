"""Calibrated scores: whether stated probabilities hold, and whether answer sets hold what they promise."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from closegap.bounds import ShareAboveZero
from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric, Need
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Direction, Figure, Unit, words
from closegap.metrics.reliability import BINS, Reliability

FITTED = Need("no calibration was fitted", lambda couple: couple.calibration is not None)


@dataclass(frozen=True)
class _Said:
    name: str
    label: str
    meaning: str
    direction: Direction | None = None
    unit: Unit = "decimal"
    key: bool = False


def _said(alpha: float) -> dict[str, _Said]:
    of_all, of_first = "over every query and target", "over each query's best target"
    return {
        "all/brier": _Said("brier", "Brier", f"Mean squared error of the probability {of_all}.", "lower"),
        "all/base": _Said("brier_base", "Brier of the base rate", "That of always stating the share of relevant."),
        "all/skill": _Said("brier_skill", "Brier skill", "1 - Brier / that of the base rate.", "higher", key=True),
        "all/ece": _Said("ece", "ECE", f"|stated - found| in {BINS} bins of equal mass, {of_all}.", "lower"),
        "first/brier": _Said("first/brier", "Brier, first answer", f"Brier score {of_first}.", "lower"),
        "first/base": _Said("first/brier_base", "Brier of the base rate, first answer", "That of always stating R@1."),
        "first/skill": _Said(
            "first/brier_skill", "Brier skill, first answer", "1 - Brier / that of the base rate.", "higher", key=True
        ),
        "first/ece": _Said(
            "first/ece",
            "ECE, first answer",
            f"|stated - found| in {BINS} bins of equal mass, {of_first}.",
            "lower",
            "percent",
            key=True,
        ),
        "coverage": _Said(
            "coverage",
            "Coverage",
            f"Answer sets that hold a relevant target, of queries that have one; promised: {1 - alpha:.0%}.",
            unit="percent",
            key=True,
        ),
        "size": _Said("set_size", "Median answer set", "Targets inside it.", "lower", "count", key=True),
        "empty": _Said("empty", "Empty answer sets", "Queries answered with 'not sure'.", unit="percent"),
    }


class Calibrated(Metric):
    """What a calibration states of targets in another modality, against what is so, either way.

    Args:
        alpha: answer sets hold a relevant target with probability 1 - alpha.
    """

    what = "calibration"
    needs = (FITTED,)
    takes_scores = True

    def __init__(self, alpha: ShareAboveZero = 0.1) -> None:
        self.alpha = alpha

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """Either way by itself."""
        for one_way in (couple, couple.swapped):
            yield f"{one_way.direction}/{self.what}", partial(self.measured, one_way, counts)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of searching the second modality from the first."""
        if couple.calibration is None:
            raise UsageError(FITTED.reason)
        found = Reliability.of(couple, couple.calibration, self.alpha).measured(counts)
        context = f"{words(couple.a)} → {words(couple.b)}"
        return {
            Figure(
                f"{couple.direction}/{said.name}",
                said.label,
                f"Calibration, {context}",
                said.direction,
                said.unit,
                said.meaning,
                context,
                key=said.key,
            ): found[name]
            for name, said in _said(self.alpha).items()
        }
