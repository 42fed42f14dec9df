"""What one number of a report is: its name, its label, its better direction and how its value is written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Direction: TypeAlias = Literal["higher", "lower", "zero"]
"""Better when higher, when lower, when near 0."""

Unit: TypeAlias = Literal["decimal", "percent", "count"]

ARROWS: dict[Direction | None, str] = {"higher": "↑", "lower": "↓", "zero": "→0", None: ""}
WORDS: dict[Direction | None, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "near 0 is better",
    None: "neither direction is better by itself",
}


@runtime_checkable
class Bounded(Protocol):
    """Whatever has the ends of a 95% interval, or None for both."""

    @property
    def low(self) -> float | None:
        """The lower end."""

    @property
    def high(self) -> float | None:
        """The upper end."""


@dataclass(frozen=True)
class Figure:
    """What one number of a report is.

    Args:
        name: in report.json, without the pair of modalities: `image_to_caption/R@10`.
        label: what to call it under its heading.
        heading: what it stands under in tables; figures of one heading stand together.
        direction: where better is; None for what only explains another number.
        unit: how values are written; "percent" for fractions.
        meaning: one sentence.
        context: what the label needs before it where it stands without the heading.
        key: stands in every table, not only in that of all numbers.
        task: stands on the frontier, against the gap; needs a direction.
        headline: its place in a verdict of one sentence, from 1; None for what is not told there.
        order: its place under the heading; equal ones stand as they were measured.
        beside: names of figures without which it is not shown.
        of_one: it is of one modality alone, and so of no pair.
        pair: the modalities that it is of, `image|caption`, where a set has more than two; else "".
    """

    name: str
    label: str
    heading: str
    direction: Direction | None = None
    unit: Unit = "decimal"
    meaning: str = ""
    context: str = ""
    key: bool = False
    task: bool = False
    headline: int | None = None
    order: int = 0
    beside: tuple[str, ...] = ()
    of_one: bool = False
    pair: str = ""

    @property
    def full_name(self) -> str:
        """The name in report.json, the pair in front where there are several.

        Example:
            >>> Figure("gap", "Modality gap", "Gap").of("image|caption").full_name
            'image|caption:gap'
        """
        return self.sibling(self.name)

    @property
    def title(self) -> str:
        """The label with what it needs to stand alone."""
        return f"{self.context} {self.label}".strip()

    @property
    def about(self) -> str:
        """The modalities in words, empty where there is only one pair."""
        return self.pair.replace("|", " and ")

    def of(self, pair: str) -> "Figure":
        """This figure of a pair of modalities, `image|caption`; that of one modality alone stays as it is."""
        return self if self.of_one else replace(self, pair=pair)

    def sibling(self, name: str) -> str:
        """The full name of another figure of the same pair."""
        return f"{self.pair}:{name}" if self.pair else name

    def text(self, value: float) -> str:
        """The value as written: percents with one decimal, other numbers with three.

        Example:
            >>> Figure("recall", "Recall", "Retrieval", "higher", "percent").text(0.2125)
            '21.2%'
            >>> Figure("gap", "Modality gap", "Gap", "lower").text(0.1134)
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

    def interval(self, estimate: Bounded) -> str:
        """The 95% interval as written; empty where there is none."""
        if estimate.low is None or estimate.high is None:
            return ""
        return f"[{self.number(estimate.low)}, {self.number(estimate.high)}]"

    def signed(self, difference: float) -> str:
        """A difference without its unit sign, with its own.

        Example:
            >>> Figure("recall", "Recall", "Retrieval", "higher", "percent").signed(0.012)
            '+1.2'
        """
        number = self.number(difference)
        return number if number.startswith("-") else f"+{number}"

    def merit(self, value: float) -> float | None:
        """A number that is higher when the value is better; None where neither direction is."""
        if self.direction is None:
            return None
        return {"higher": value, "lower": -value, "zero": -abs(value)}[self.direction]


def reading_order(figures: Iterable[Figure]) -> list[Figure]:
    """The figures as tables show them: by pair of modalities, those of no pair last; by heading; by `order`.

    Pairs, headings and figures of equal order stand as they come.
    """
    given = list(figures)
    pairs = {figure.pair: place for place, figure in reversed(list(enumerate(given)))}
    headings = {(figure.pair, figure.heading): place for place, figure in reversed(list(enumerate(given)))}
    return sorted(given, key=lambda f: (not f.pair, pairs[f.pair], headings[f.pair, f.heading], f.order))


def words(name: str) -> str:
    """A name as a reader reads it.

    Example:
        >>> words("chest_film")
        'chest film'
    """
    return name.replace("_", " ")


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text
