"""Which score stages a command line names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from closegap.errors import UsageError
from closegap.scores import STAGES

if TYPE_CHECKING:
    from closegap.scores import ScoreStage

SCORES_HELP = f"score stages, beside every arm: all, or some of {', '.join(STAGES.names())}, or class paths"

REFERENCE_HELP = "the split that score stages and calibrations are fitted on"


def chosen_stages(names: Sequence[str]) -> dict[str, "ScoreStage"]:
    """Arm name to stage, unfitted.

    Args:
        names: as given to --scores: all, names of ours, import paths.

    Raises:
        UsageError: a name that no stage has, or a path that leads to none.
    """
    try:
        return STAGES.chosen(names)
    except UsageError as error:
        raise UsageError(f"--scores {error}") from error
