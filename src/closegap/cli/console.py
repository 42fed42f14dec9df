"""What a person watches: progress bars with loss terms, gap, recall and time left."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from closegap.metrics.figure import Figure

_TERMS = ("loss", "contrastive", "align", "uniformity", "caption")
_SHORT = {
    "contrastive": "nce",
    "align": "atp",
    "uniformity": "cu",
}


def console() -> Console:
    """The terminal; lines are not cut when the output goes to a file."""
    out = Console(highlight=False)
    return out if sys.stdout.isatty() else Console(highlight=False, width=120)


def say(text: str) -> None:
    """Print a line as it is: not wrapped, so that a path in it can be copied."""
    console().print(text, soft_wrap=True, markup=False)


class Bars:
    """A `Watcher` that shows progress bars on standard error, and under them the latest terms and validation.

    Where standard error is no terminal it shows nothing: a log would get torn bars, and an error would not come first.

    Args:
        title: what the training bar is called.
    """

    def __init__(self, title: str = "training") -> None:
        self.title = title
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, TaskID] = {}
        self._terms, self._validated = Text(style="dim"), Text(style="dim")
        shown = Group(self._progress, self._terms, self._validated)
        terminal = Console(stderr=True)
        self._live = Live(shown, console=terminal, refresh_per_second=4) if terminal.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def features(self, modality: str, done: int, total: int) -> None:
        """See `Watcher`."""
        self._advance(f"features of {modality}", done, total)

    def images(self, done: int, total: int) -> None:
        """See `Watcher`."""
        self._advance("checking images", done, total)

    def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._terms.plain = _note({name: terms[name] for name in _TERMS if name in terms})
        self._advance(self.title, step, steps)

    def validation(self, step: int, metrics: Mapping[Figure, float]) -> None:
        """See `Watcher`."""
        self._validated.plain = f"validation at step {step}: {_note(_watched(metrics))}"

    def work(self, done: int, total: int) -> None:
        """See `Watcher`."""
        self._advance(self.title, done, total)

    def _advance(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        self._progress.update(self._tasks[name], completed=done, total=total)


def _watched(metrics: Mapping[Figure, float]) -> dict[str, float]:
    """The gap, its mean over pairs where there are several, and what else is watched, each by a short name."""
    # Who validates has torch already; a command that only shows a bar does not wait for it.
    from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD
    from closegap.metrics.cosines import COS_NULL, COS_TRUE_PAIRS
    from closegap.metrics.gap import GAP
    from closegap.metrics.retrieval import mean_recall

    gaps = [value for figure, value in metrics.items() if figure.name == GAP.name]
    watched = {"gap": sum(gaps) / len(gaps)} if gaps else {}
    short = {COS_TRUE_PAIRS: "cosTP", COS_NULL: "null", mean_recall(10): "R@10", LOG_LIKELIHOOD: "log p"}
    return watched | {name: metrics[figure] for figure, name in short.items() if figure in metrics}


def _note(values: Mapping[str, float]) -> str:
    return " ".join(f"{_SHORT.get(name, name)} {value:.3f}" for name, value in values.items())
