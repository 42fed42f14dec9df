"""What a score is worth: the probability that a target is relevant, sets of answers, and whether there is an answer."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.calibration.abstention import Abstention as Abstention
    from closegap.calibration.abstention import Answers as Answers
    from closegap.calibration.calibration import Calibration as Calibration
    from closegap.calibration.unanswered import Unanswered as Unanswered

_HOMES = {
    "Abstention": "closegap.calibration.abstention",
    "Answers": "closegap.calibration.abstention",
    "Calibration": "closegap.calibration.calibration",
    "Unanswered": "closegap.calibration.unanswered",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
