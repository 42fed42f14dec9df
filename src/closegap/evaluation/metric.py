"""What a metric's name means to a reader: its label, its place, its better direction and how its value is written."""

import re
from dataclasses import dataclass

from closegap.evaluation.catalogue import CATALOGUE, PLAIN, Direction, Unit
from closegap.evaluation.report import Estimate

ARROWS: dict[Direction, str] = {"up": "↑", "down": "↓", "zero": "→0", "none": ""}
WORDS: dict[Direction, str] = {
    "up": "higher is better",
    "down": "lower is better",
    "zero": "near 0 is better",
    "none": "neither direction is better by itself",
}


@dataclass(frozen=True)
class Metric:
    """A metric as a reader sees it.

    Args:
        name: its name in report.json.
        pair: the modalities it is about where there are more than two ("image|caption"), else "".
        base: the name without the pair.
        group: the heading it stands under.
        label: what to call it under that heading.
        direction: where better is.
        unit: how its values are written; "percent" for fractions.
        meaning: one sentence.
        order: its place among all metrics.
    """

    name: str
    pair: str
    base: str
    group: str
    label: str
    direction: Direction
    unit: Unit
    meaning: str
    order: int

    @property
    def title(self) -> str:
        """Label with as much of the group as it needs to stand alone."""
        return self.label if self.group in PLAIN else f"{self.group.removeprefix('Retrieval, ')} {self.label}"

    def text(self, value: float) -> str:
        """The value as written: percents with one decimal, other numbers with three.

        Example:
            >>> describe("image_to_caption/R@10").text(0.2125)
            '21.2%'
            >>> describe("gap").text(0.1134)
            '0.113'
        """
        return f"{self.number(value)}%" if self.unit == "percent" else self.number(value)

    def number(self, value: float) -> str:
        """The value without its unit sign."""
        if self.unit == "percent":
            return _unsigned_zero(f"{100 * value:.1f}")
        if self.unit == "count":
            return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
        return _unsigned_zero(f"{value:.3f}")

    def interval(self, estimate: Estimate) -> str:
        """The 95% interval as written; empty where there is none.

        Example:
            >>> describe("gap").interval(Estimate(0.11, 0.1, 0.12))
            '[0.100, 0.120]'
        """
        if estimate.low is None or estimate.high is None:
            return ""
        return f"[{self.number(estimate.low)}, {self.number(estimate.high)}]"

    def signed(self, difference: float) -> str:
        """A difference without its unit sign, with its own.

        Example:
            >>> describe("image_to_caption/R@10").signed(0.012)
            '+1.2'
        """
        number = self.number(difference)
        return number if number.startswith("-") else f"+{number}"

    def merit(self, value: float) -> float | None:
        """A number that is higher when the value is better; None where neither direction is."""
        merits = {"up": value, "down": -value, "zero": -abs(value), "none": None}
        return merits[self.direction]


def describe(name: str) -> Metric:
    """The metric of this name; an unknown name is shown as it is, with three decimals and no direction.

    Example:
        >>> describe("image|caption:image_to_caption/R@5").title
        'image → caption R@5'
    """
    pair, _, base = name.rpartition(":")
    for order, (pattern, group, label, direction, unit, meaning) in enumerate(CATALOGUE):
        match = re.fullmatch(pattern, base)
        if match:
            fields = {key: value.replace("_", " ") for key, value in match.groupdict("").items()}
            return Metric(
                name=name,
                pair=pair,
                base=base,
                group=group.format(**fields),
                label=label.format(**fields).strip(),
                direction=direction,
                unit=unit,
                meaning=meaning.format(**fields),
                order=order,
            )
    return Metric(name, pair, base, "Other", base, "none", "decimal", "", len(CATALOGUE))


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text
