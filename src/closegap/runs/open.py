"""From a run's folder to its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from closegap.runs.checkpoint import load_model, read_state
from closegap.runs.config import read_config
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.run import Run, build


@dataclass(frozen=True)
class OpenedRun:
    """A run as its folder holds it.

    Args:
        folder: the run's.
        overrides: of its config.
        run: what the config builds, the model with the weights of the checkpoint.
        checkpoint: the one that the run is judged by.
    """

    folder: Path
    overrides: Sequence[str]
    run: Run
    checkpoint: Path

    @property
    def arm(self) -> str:
        """The run's arm; without one, the folder's name."""
        return self.run.arm or self.folder.name

    @property
    def step(self) -> int:
        """The step of the checkpoint."""
        return read_state(self.checkpoint).step

    @property
    def last(self) -> Path:
        """The checkpoint of the last step."""
        return chosen_checkpoint(self.folder, "last")


def open_run(folder: Path, overrides: Sequence[str] = ()) -> OpenedRun:
    """Rebuild a run from its folder, with the checkpoint that it is judged by.

    Args:
        folder: the run.
        overrides: config overrides (`--data.root DIR`).

    Raises:
        ClosegapError: no run, no checkpoint, or a checkpoint of another model.
    """
    run = build(read_config(folder, overrides))
    checkpoint = chosen_checkpoint(folder, run.train.keep)
    load_model(checkpoint, run.model)
    return OpenedRun(folder, overrides, run, checkpoint)


def best_device() -> torch.device:
    """Where a model is used outside training."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
