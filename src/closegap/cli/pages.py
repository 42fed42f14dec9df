"""Reports of runs and comparisons, written to disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from closegap.train.trainer import Trainer


def write_run_report(trainer: Trainer) -> Path:
    return trainer.folder
