"""Closing the gap in the scores: stages fitted on reference queries, through which scores go before modalities merge.

Each module here defines one stage, which commands call by the module's name; what stages share is in `base`.
"""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.scores.base.names import STAGES as STAGES
    from closegap.scores.base.stage import ScoreStage as ScoreStage
    from closegap.scores.offset import Offset as Offset
    from closegap.scores.rank_fusion import RankFusion as RankFusion
    from closegap.scores.standardise import Standardise as Standardise
    from closegap.scores.zscore import ZScore as ZScore

_HOMES = {
    "Offset": "closegap.scores.offset",
    "RankFusion": "closegap.scores.rank_fusion",
    "STAGES": "closegap.scores.base.names",
    "ScoreStage": "closegap.scores.base.stage",
    "Standardise": "closegap.scores.standardise",
    "ZScore": "closegap.scores.zscore",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
