"""Arms with the calibration that each of them has."""

from dataclasses import replace

from closegap.calibration import Calibration
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.compare import Result
from closegap.scores import ScoreStage


def calibrated(result: Result, calibration: Calibration, reference: EmbeddingSet) -> Result:
    """The arm with its own calibration.

    Args:
        result: the arm, with the fitted stage that it has.
        calibration: settings; a copy is fitted.
        reference: what it is fitted on, in the arm's space.

    Raises:
        UsageError: the relevance asked for is not in the reference.
        DataError: too few relevant targets in the reference.
    """
    stage = result.stage if isinstance(result.stage, ScoreStage) else None
    return replace(result, calibration=Calibration(**calibration.settings).fit(reference, stage))
