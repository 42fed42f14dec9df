"""What a run minimises and is judged by, as its config names it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from closegap.checked import Checked

if TYPE_CHECKING:  # who reads a config builds no training
    from closegap.evaluation.compare import Comparison
    from closegap.runs.log import Watching
    from closegap.runs.training import Training
    from closegap.training.task import Setting, TrainingTask


class Objective(Checked, ABC):
    """An objective, by class path; the trainer knows what is written here and nothing else of it."""

    @abstractmethod
    def task(self, setting: "Setting") -> "TrainingTask":
        """What the trainer does at each step and each validation. Processes call this together.

        Args:
            setting: the run, its cases, and where it trains.

        Raises:
            ClosegapError: the objective does not fit the run's model or data.
        """

    @property
    def moves_model(self) -> bool:
        """Whether training changes what the model embeds; where not, before and after need no comparison."""
        return True

    def check(self, training: "Training") -> None:  # most have nothing to refuse
        """Refuse what does not go together with this objective, before any data are read.

        Raises:
            UsageError: names the key of `train`.
        """

    def next_step(self, folder: Path) -> str | None:
        """What a person may do with the finished run, as a command to copy; None: nothing beyond any run's."""
        del folder
        return None

    def judged(self, folder: Path, split: str, overrides: Sequence[str], watching: "Watching") -> "Comparison | None":
        """What `closegap evaluate` reports beside embeddings: the run's arm first, then what it is compared with.

        Args:
            folder: the run's.
            split: train, validation or test.
            overrides: of the run's config (`--data.root DIR`).
            watching: who is told how it goes.
        """
        del folder, split, overrides, watching
        return None
