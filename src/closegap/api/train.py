"""From a config to a trained run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.api.bars import Bars
from closegap.evaluation.report import Report
from closegap.models.model import Model
from closegap.report.training_page import write_training_report
from closegap.runs.checkpoint import load_model
from closegap.runs.config import Config
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.log import Watching
from closegap.training import train as training
from closegap.training.claim import claimed


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained.

    Args:
        folder: of the run.
        arm: its arm.
        model: with the weights of the checkpoint that the run is judged by, in evaluation mode.
        report: its validation split before training and as it is judged; None where there is none.
        page: the path of report.html; None where there is none.
    """

    folder: Path
    arm: str
    model: Model
    report: Report | None
    page: Path | None

    def __repr__(self) -> str:
        found = "no validation split was measured" if self.report is None else repr(self.report)
        return f"{self.arm}, in {self.folder}\n{found}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return "" if self.report is None else self.report._repr_html_()


def train(config: Config, out: Path | str, *, overrides: Sequence[str] = (), watching: Watching = Bars) -> TrainedRun:
    """Train a run into a folder, write its report.

    Args:
        config: a mapping, the path of a YAML file, or several of both, later ones winning.
        out: the run's folder; it must not hold a run yet. One that was stopped goes on with `resume`.
        overrides: dotted options on top of the config (`["--train.steps", "20"]`).
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        UsageError: a config that is none, or a folder that holds a run.
        ClosegapError: data, model and objective do not fit, a loss became infinite, or the folder is in use.
    """
    with claimed(Path(out)), watching("training") as watcher:
        return _finished(training.train(config, out, overrides=overrides, watcher=watcher))


def resume(folder: Path | str, *, watching: Watching = Bars) -> TrainedRun:
    """Go on with a run from its newest checkpoint, with its own config.

    Args:
        folder: the run's.
        watching: who is told how it goes.

    Raises:
        ClosegapError: the folder is no run, or in use.
    """
    with claimed(Path(folder)), watching("training") as watcher:
        return _finished(training.resume(folder, watcher=watcher))


def _finished(trained: training.Trained) -> TrainedRun:
    written = write_training_report(trained)
    model = trained.run.model
    load_model(chosen_checkpoint(trained.folder, trained.run.train.keep), model)
    report, page = (None, None) if written is None else (written.comparison.report, written.page)
    return TrainedRun(trained.folder, trained.arm, model.eval(), report, page)
