"""The checkpoint in a run's folder that the run is judged by."""

from pathlib import Path

from closegap.errors import ClosegapError
from closegap.runs.checkpoint import checkpoint_path, checkpoints, read_state

CHECKPOINTS = "checkpoints"


def chosen_checkpoint(folder: Path, keep: str) -> Path:
    """The checkpoint that a run is judged by: the best or the last.

    Raises:
        ClosegapError: there is none yet.
    """
    found = checkpoints(folder / CHECKPOINTS)
    if not found:
        raise ClosegapError(f"{folder}: no checkpoint yet; train on with `closegap train --resume {folder}`")
    best = checkpoint_path(folder / CHECKPOINTS, read_state(found[-1]).best_step)
    return best if keep == "best" and best in found else found[-1]
