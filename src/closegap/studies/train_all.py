"""Training the runs of a study, one after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path

from closegap.report.training_page import write_training_report
from closegap.runs.log import Watching, unwatched
from closegap.studies.plan import Plans
from closegap.training.claim import claimed
from closegap.training.train import Trained, train_into

Finished = Callable[[Trained, Path | None], None]
"""Called with each run that was trained, and the page of it."""


def train_all(
    plans: Plans,
    splits: Sequence[str] = (),
    watching: Watching = unwatched,
    finished: Finished | None = None,
) -> None:
    """Train what is not trained yet; what was stopped goes on.

    Args:
        plans: folder to config.
        splits: what must have cases, since the runs are compared on it.
        watching: who is told how it goes, run by run.
        finished: told of each run.
    """
    for number, (folder, config) in enumerate(plans.items(), start=1):
        with claimed(folder):
            with watching(f"{number}/{len(plans)} {config.arm}, seed {config.seed}") as watcher:
                trained = train_into(folder, config, watcher, splits)
            written = write_training_report(trained)
        if finished is not None:
            finished(trained, None if written is None else written.page)
