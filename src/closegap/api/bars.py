"""What a person watches: progress bars with loss terms, gap, recall and time left."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Group
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

from closegap.printable import printable
from closegap.terminal import Terminal

if TYPE_CHECKING:
    from closegap.metrics.figure import Figure

_FIRST_LINE, _NEXT_LINE = 10.0, 30.0  # seconds between lines of a log
_BESIDE = ("temperature", "lr", "gradient_norm")  # worth a curve, not a line
_SHORT = {
    "contrastive": "nce",
    "align": "atp",
    "uniformity": "cu",
}


class Bars:
    """A `Watcher` that shows progress bars on standard error, and under them the latest terms and validation.

    Where standard error is neither a terminal nor a notebook, a line says now and then how far it is: the first after
    ten seconds, so that of short work, and of what was asked wrongly, the error alone is seen; then every half minute.

    Args:
        title: what the training bar is called.
        clock: seconds, from any start.
    """

    def __init__(self, title: str = "training", clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self._clock = clock
        self._due = clock() + _FIRST_LINE
        self._since: dict[str, tuple[float, int, int]] = {}  # when, and from what on, and how far it was last
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
        screen = Terminal(stderr=True)
        seen = screen.is_terminal or screen.is_jupyter
        self._live = Live(shown, console=screen, refresh_per_second=4) if seen else None

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
        self._terms.plain = _note({name: value for name, value in terms.items() if name not in _BESIDE})
        self._advance(self.title, step, steps)

    def validation(self, step: int, metrics: "Mapping[Figure, float]") -> None:
        """See `Watcher`."""
        self._validated.plain = f"validation at step {step}: {_note(_watched(metrics))}"

    def work(self, done: int, total: int) -> None:
        """See `Watcher`."""
        self._advance(self.title, done, total)

    def _advance(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        now = self._clock()
        since, first, last = self._since.get(name, (now, done, done))
        if done < last:  # more work of the same name
            since, first = now, done
            self._progress.reset(self._tasks[name])
        self._since[name] = (since, first, done)
        self._progress.update(self._tasks[name], completed=done, total=total)
        if self._live is None and now >= self._due:
            self._due = now + _NEXT_LINE
            left = (now - since) / (done - first) * (total - done) if done > first else None
            notes = [self._terms.plain, self._validated.plain] if name == self.title else []
            print(printable(_line(name, done, total, left, notes)), file=sys.stderr, flush=True)


def _line(name: str, done: int, total: int, left: float | None, notes: Sequence[str]) -> str:
    """How far it is, for a log.

    Example:
        >>> _line("training", 120, 600, 75.0, ["loss 3.210", ""])
        'training: 120/600, 1:15 left; loss 3.210'
    """
    time_left = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
    return "; ".join(filter(None, [f"{name}: {done:,}/{total:,}{time_left}", *notes]))


def _watched(metrics: "Mapping[Figure, float]") -> dict[str, float]:
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
