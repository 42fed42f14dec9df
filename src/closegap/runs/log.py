"""What a run writes down as it goes, and who may watch."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from closegap.disk import sync, writing
from closegap.errors import DataError
from closegap.files import regular, write_text
from closegap.metrics.figure import Figure


class Watcher(Protocol):
    """Somebody who is told how training goes: a progress bar, a test, nobody."""

    def features(self, modality: str, done: int, total: int) -> None:
        """A frozen tower's features are being computed."""

    def images(self, done: int, total: int) -> None:
        """Images are being checked."""

    def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
        """A step was taken; loss terms by name."""

    def validation(self, step: int, metrics: Mapping[Figure, float]) -> None:
        """The model was validated."""

    def work(self, done: int, total: int) -> None:
        """Anything else that takes a while."""


Watching: TypeAlias = Callable[[str], AbstractContextManager[Watcher]]
"""A title to somebody who watches what is done inside the context."""


class Nobody:
    """Watches nothing."""

    def features(self, modality: str, done: int, total: int) -> None:
        """See `Watcher`."""

    def images(self, done: int, total: int) -> None:
        """See `Watcher`."""

    def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
        """See `Watcher`."""

    def validation(self, step: int, metrics: Mapping[Figure, float]) -> None:
        """See `Watcher`."""

    def work(self, done: int, total: int) -> None:
        """See `Watcher`."""


def unwatched(title: str) -> AbstractContextManager[Watcher]:
    """A `Watching` of nobody."""
    del title
    return nullcontext(Nobody())


class MetricsLog:
    """metrics.jsonl: one JSON object per line, each with its step.

    Args:
        path: the file.
        step: what a run that goes on from this step writes; lines after it are dropped, since they will come again.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        kept = [row for row in read_metrics(path) if row["step"] <= step] if step else []
        write_text(path, "".join(json.dumps(row) + "\n" for row in kept))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line.

        Raises:
            ClosegapError: the disk is full.
        """
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def sync(self) -> None:
        """Have the disk hold all lines, as it must before it holds a checkpoint from which a run goes on."""
        with writing(self.path):
            sync(self.path)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; a last line that a kill cut short is left out.

    Raises:
        DataError: another line is none of a metrics.jsonl.
    """
    lines = regular(path).read_bytes().splitlines() if path.exists() else []
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is not None:
            found.append(row)
        elif number < len(lines):
            raise DataError(f"{path}, line {number}: damaged, expected a JSON object with its step; delete the line")
    return found


def _row(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where it is no line of metrics."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None
