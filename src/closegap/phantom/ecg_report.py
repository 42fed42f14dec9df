"""What is said of a generated electrocardiogram."""

from closegap.phantom.draw import Draw
from closegap.phantom.ecg_study import EcgStudy
from closegap.phantom.phrase import sentence

_RHYTHM = {
    "sinus": ("sinus rhythm", "regular sinus rhythm", "the rhythm is sinus"),
    "fibrillation": ("atrial fibrillation", "irregularly irregular rhythm without P waves", "absolute arrhythmia"),
    "extrasystoles": (
        "sinus rhythm with ventricular premature beats",
        "frequent ventricular extrasystoles on sinus rhythm",
        "wide premature complexes are seen",
    ),
}
_SPEED = {
    "slow": ("bradycardia", "slow ventricular rate"),
    "normal": ("normal rate", "rate within normal limits"),
    "fast": ("tachycardia", "rapid ventricular rate"),
}
_AXIS = {
    "left": ("left axis deviation", "the axis is deviated to the left"),
    "normal": ("normal axis", "QRS axis is normal"),
    "right": ("right axis deviation", "the axis is deviated to the right"),
}
_SHIFT = {
    "none": ("no ST shift", "ST segments are isoelectric", ""),
    "anterior elevation": (
        "ST elevation in V1 to V4, anterior injury",
        "elevated ST segments in the anterior leads",
    ),
    "inferior elevation": (
        "ST elevation in II, III and aVF, inferior injury",
        "elevated ST segments in the inferior leads",
    ),
    "lateral depression": (
        "ST depression in I, aVL, V5 and V6",
        "depressed ST segments in the lateral leads, possible ischaemia",
    ),
}
_ARTEFACT = {
    "none": ("",),
    "wander": ("baseline wander", "unsteady baseline"),
    "muscle": ("muscle artefact", "noisy tracing"),
}


def write_ecg_report(study: EcgStudy, reader: int = 0) -> str:
    """The report, drawn from each fact's phrases; every second one gives the rate in numbers.

    Args:
        study: the facts.
        reader: another one words it otherwise.
    """
    draw = Draw(study.seed, study.index, f"ecg report {reader}")
    speed = draw.pick(_SPEED[study.speed])
    if draw.chance(0.5):
        speed += f", {study.rate:.0f} per minute"
    parts = [
        draw.pick(_RHYTHM[study.rhythm]),
        speed,
        draw.pick(_AXIS[study.deviation]),
        draw.pick(_SHIFT[study.shift]),
        draw.pick(_ARTEFACT[study.artefact]),
    ]
    return " ".join(sentence(part) for part in parts if part)
