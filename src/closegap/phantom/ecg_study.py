"""The facts of a generated electrocardiogram."""

from dataclasses import dataclass

from closegap.phantom.draw import Draw

_RHYTHMS = {"sinus": 0.62, "fibrillation": 0.2, "extrasystoles": 0.18}
_SPEEDS = {"normal": 0.5, "slow": 0.2, "fast": 0.3}
_RATES = {"slow": (42.0, 56.0), "normal": (62.0, 94.0), "fast": (106.0, 145.0)}
_AXES = {"normal": 0.6, "left": 0.22, "right": 0.18}
_DEGREES = {"normal": (5.0, 80.0), "left": (-65.0, -35.0), "right": (105.0, 140.0)}
_SHIFTS = {"none": 0.52, "anterior elevation": 0.16, "inferior elevation": 0.16, "lateral depression": 0.16}
_ARTEFACTS = {"none": 0.6, "wander": 0.2, "muscle": 0.2}


@dataclass(frozen=True)
class EcgStudy:
    """What an electrocardiogram shows.

    Args:
        seed: of the data set.
        index: of the case.
        rhythm: sinus, fibrillation or extrasystoles.
        rate: beats in a minute.
        axis: of the QRS in the frontal plane, in degrees.
        shift: of ST: none, or where it is elevated or depressed.
        millivolts: of the shift.
        artefact: none, wander or muscle.
    """

    seed: int
    index: int
    rhythm: str
    rate: float
    axis: float
    shift: str
    millivolts: float
    artefact: str

    @property
    def speed(self) -> str:
        """Whether it is slow, below 60 beats in a minute, fast, above 100, or normal."""
        return "slow" if self.rate < 60 else "fast" if self.rate > 100 else "normal"

    @property
    def deviation(self) -> str:
        """Where the axis is: left, below -30 degrees, right, above 90, or normal."""
        return "left" if self.axis < -30 else "right" if self.axis > 90 else "normal"

    def concepts(self) -> tuple[str, ...]:
        """What is not normal."""
        found = (
            ("" if self.rhythm == "sinus" else self.rhythm),
            ("" if self.speed == "normal" else f"{self.speed} rate"),
            ("" if self.deviation == "normal" else f"{self.deviation} axis"),
            ("" if self.shift == "none" else self.shift),
        )
        return tuple(filter(None, found))


def draw_ecg_study(seed: int, index: int) -> EcgStudy:
    """The facts of a case: a function of seed and index alone."""
    draw = Draw(seed, index, "ecg")
    rhythm = draw.weighted(_RHYTHMS)
    rate = draw.uniform(*_RATES[draw.weighted(_SPEEDS)])
    axis = draw.uniform(*_DEGREES[draw.weighted(_AXES)])
    shift = draw.weighted(_SHIFTS)
    millivolts = draw.uniform(0.18, 0.4)
    return EcgStudy(seed, index, rhythm, rate, axis, shift, millivolts, draw.weighted(_ARTEFACTS))
