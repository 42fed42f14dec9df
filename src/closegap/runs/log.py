"""What a run writes down as it goes, and who may watch."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from closegap.disk import sync, writing
from closegap.files import write_text
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
    """The lines of a metrics.jsonl; a line that a kill cut short is left out."""
    return list(_rows(path)) if path.is_file() else []


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
