"""Score stages by name."""

from typing import TYPE_CHECKING

from closegap.families import Family

if TYPE_CHECKING:
    from closegap.scores.base.stage import ScoreStage

STAGES: "Family[ScoreStage]" = Family(
    package="closegap.scores",
    base="closegap.scores.base.stage.ScoreStage",
    noun="score stage",
    fit="closegap scores fit",
)
"""Ours are the modules of `closegap.scores`."""
