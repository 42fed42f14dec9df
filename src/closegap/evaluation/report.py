"""A report: arms side by side, each a mapping from metric name to estimate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closegap.files import write_text

SCHEMA = 1


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


@dataclass(frozen=True)
class Report:
    """Arms, what was left out and why, and a description of the data.

    Fractions lie in [0, 1]. `data` is JSON: at least the split and the gallery size of each modality.
    """

    arms: Sequence[Arm]
    skipped: Sequence[Skipped] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The public schema of report.json."""
        return {
            "schema": SCHEMA,
            "arms": [
                {"name": arm.name, "metrics": {name: vars(estimate) for name, estimate in arm.metrics.items()}}
                for arm in self.arms
            ],
            "skipped": [vars(item) for item in self.skipped],
            "data": dict(self.data),
        }

    def save(self, path: Path) -> None:
        """Write report.json."""
        write_text(path, json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n")
