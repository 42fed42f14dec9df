"""A report: arms side by side, each a mapping from metric name to estimate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closegap.files import write_text
from closegap.metrics.figure import Figure, reading_order

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; `low` and `high` are None where no interval applies."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Arm:
    """One trained or post-hoc variant and what was measured of it."""

    name: str
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class Skipped:
    """Something that was not measured, and why."""

    what: str
    reason: str


@dataclass(frozen=True, repr=False)
class Report:
    """Arms, what was left out and why, a description of the data, and what the arms' numbers are.

    Args:
        arms: the baseline first; fractions lie in [0, 1].
        skipped: what was not measured.
        data: JSON; at least the split and the gallery size of each modality.
        figures: full name to figure, of every number of the arms; kept in reading order.

    Raises:
        ValueError: an arm has a number without a figure.
    """

    arms: Sequence[Arm]
    skipped: Sequence[Skipped] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for arm in self.arms:
            for name in arm.metrics:
                if name not in self.figures:
                    raise ValueError(f"arm {arm.name!r} has a number {name!r} that no figure describes")
        ordered = {figure.full_name: figure for figure in reading_order(self.figures.values())}
        object.__setattr__(self, "figures", ordered)

    def arm(self, name: str) -> Arm:
        """The arm of this name.

        Raises:
            KeyError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(f"no arm {name!r}; there are {', '.join(arm.name for arm in self.arms)}")

    def to_pandas(self) -> "pd.DataFrame":
        """Every number of every arm, a row each, with its interval, label, direction and unit.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        from closegap.evaluation.tabled import frame

        return frame(self)

    def __repr__(self) -> str:
        from closegap.evaluation.tabled import text_table

        return text_table(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from closegap.evaluation.tabled import html_table

        return str(html_table(self))

    def as_json(self) -> dict[str, Any]:
        """The public schema of report.json."""
        return {
            "schema": SCHEMA,
            "arms": [
                {"name": arm.name, "metrics": {name: vars(estimate) for name, estimate in arm.metrics.items()}}
                for arm in self.arms
            ],
            "metrics": {name: _described(figure) for name, figure in self.figures.items()},
            "skipped": [vars(item) for item in self.skipped],
            "data": dict(self.data),
        }

    def to_json(self) -> str:
        """The text of report.json."""
        return json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write report.json."""
        write_text(path, self.to_json())


def _described(figure: Figure) -> dict[str, Any]:
    """What report.json says of a number: where better is near 0, that is its target and neither direction is."""
    at_zero = figure.direction == "zero"
    return {
        "label": figure.label,
        "heading": figure.heading,
        "direction": None if at_zero else figure.direction,
        **({"target": 0} if at_zero else {}),
        "unit": figure.unit,
        "meaning": figure.meaning,
        "key": figure.key,
    }
