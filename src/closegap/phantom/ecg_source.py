"""Generated electrocardiograms as a data set."""

from collections.abc import Iterator, Mapping
from typing import Any

from closegap.bounds import PositiveInt, Seed, Share
from closegap.data.case import Case
from closegap.data.source import Source
from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.kinds.signal import SignalKind
from closegap.kinds.text import TextKind
from closegap.kinds.waveform import Waveform
from closegap.phantom.ecg import LEADS, ecg_samples
from closegap.phantom.ecg_report import write_ecg_report
from closegap.phantom.ecg_study import draw_ecg_study
from closegap.phantom.source import dealt

_RATE = 100


class EcgPhantoms(Source):
    """Generated electrocardiograms of ten seconds and the reports that say what was put into them.

    They stand in for a set of signals where none can be had: rhythm, rate, axis, shift of ST and artefacts are drawn,
    so that what a report says is true by construction. Nothing about patients can be learned from them.

    Case i is a function of (seed, i) alone. Modalities: "ecg" and "report". Labels: rhythm, speed, axis, shift.

    Args:
        cases: how many.
        seed: another seed gives other patients.
        shares: of training, validation and test cases; met exactly in every 20 cases if multiples of 0.05.

    Raises:
        UsageError: shares that do not sum to 1.
    """

    def __init__(
        self, cases: PositiveInt = 1500, seed: Seed = 0, shares: tuple[Share, Share, Share] = (0.7, 0.1, 0.2)
    ) -> None:
        if abs(sum(shares) - 1.0) > 1e-9:
            raise UsageError(
                f"data.shares: {tuple(shares)} given, expected train, validation and test shares that sum to 1"
            )
        self.cases, self.seed, self.shares = cases, seed, tuple(shares)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Signals and texts."""
        return {"ecg": SignalKind(), "report": TextKind()}

    def rows(self) -> Iterator[Case]:
        """Every case, in the order of the indices."""
        return map(self.case, range(self.cases))

    def case(self, index: int) -> Case:
        """One case, also beyond `cases`."""
        study = draw_ecg_study(self.seed, index)
        views: dict[str, tuple[Any, ...]] = {
            "ecg": (Waveform.of_values(ecg_samples(study, rate=_RATE), _RATE, LEADS, "mV"),),
            "report": (write_ecg_report(study),),
        }
        labels = {"rhythm": study.rhythm, "speed": study.speed, "axis": study.deviation, "shift": study.shift}
        name = f"ecg-{self.seed}-{index:06d}"
        return Case(name, dealt(self.seed, index, self.shares), name, views, labels, study.concepts())
