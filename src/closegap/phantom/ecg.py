"""The samples of a generated electrocardiogram."""

import numpy as np
from jaxtyping import Float, Float32

from closegap.phantom.draw import Draw
from closegap.phantom.ecg_study import EcgStudy

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_ANGLES = {"I": 0.0, "II": 60.0, "III": 120.0, "aVR": -150.0, "aVL": -30.0, "aVF": 90.0}  # degrees
_AUGMENTED = np.sqrt(3) / 2  # of what a limb lead sees, by Goldberger
_CHEST_R = np.array([0.15, 0.35, 0.7, 1.1, 1.2, 0.9])  # mV, V1 to V6
_CHEST_S = np.array([0.9, 1.2, 0.8, 0.45, 0.2, 0.1])
_CHEST_T = np.array([-0.05, 0.3, 0.35, 0.35, 0.3, 0.22])
_SHIFTED = {
    "anterior elevation": ("V1", "V2", "V3", "V4"),
    "inferior elevation": ("II", "III", "aVF"),
    "lateral depression": ("I", "aVL", "V5", "V6"),
}
_T_FROM_AXIS = 25.0  # degrees between the axis of QRS and that of T, towards 40


def ecg_samples(study: EcgStudy, seconds: float = 10.0, rate: int = 100) -> Float32[np.ndarray, "leads n"]:
    """Twelve leads in mV: P, QRS, ST and T of every beat as bells along their axes, with what the study says of them.

    Limb leads are projections of one vector in the frontal plane, so that II = I + III; chest leads have the usual
    progression. Fibrillation has no P, uneven beats and a fine wave; every fourth beat or so of extrasystoles is early
    and broad.

    Reference:
        McSharry et al. 2003, A dynamical model for generating synthetic ECG signals, for the bells of a beat; the
        timing is simpler here.
    """
    draw = Draw(study.seed, study.index, "ecg samples")
    time = np.arange(round(seconds * rate)) / rate
    found = np.zeros((len(LEADS), len(time)))
    scale = draw.uniform(0.8, 1.25)
    for beat, early in _beats(study, draw, seconds):
        found += _early_beat(study, time - beat) if early else _beat(study, time - beat)
    if study.rhythm == "fibrillation":
        phase, pitch = draw.uniform(0, 6.28), draw.uniform(5.0, 7.0)
        fine = 0.05 * np.sin(2 * np.pi * pitch * time + phase + 1.5 * np.sin(2 * np.pi * 0.7 * time))
        found += _limb_and_chest(1.0, 60.0, np.full(6, 0.6)) * fine
    found = found * scale
    noise = 0.06 if study.artefact == "muscle" else 0.008
    found += noise * draw.grain(len(LEADS), len(time))
    if study.artefact == "wander":
        for row in range(len(LEADS)):
            found[row] += draw.uniform(0.2, 0.45) * np.sin(2 * np.pi * draw.uniform(0.15, 0.35) * time + row)
    return found.astype(np.float32)


def _beats(study: EcgStudy, draw: Draw, seconds: float) -> list[tuple[float, bool]]:
    """When each R is, and whether it is early."""
    mean = 60 / study.rate
    moment, found = -draw.uniform(0, mean), list[tuple[float, bool]]()
    while moment < seconds + 1:
        early = study.rhythm == "extrasystoles" and draw.chance(0.25)
        found.append((moment, early))
        reach = 0.35 if study.rhythm == "fibrillation" else 0.03
        moment += mean * (1 + draw.bell(0.0, reach)) * (1.35 if early else 1.0)
        if study.rhythm == "extrasystoles" and draw.chance(0.25):
            found.append((moment - 0.4 * mean, True))
            moment += 0.35 * mean
    return found


def _beat(study: EcgStudy, time: Float[np.ndarray, "n"]) -> Float[np.ndarray, "leads n"]:
    axis = study.axis
    towards = axis + np.clip(40 - axis, -_T_FROM_AXIS, _T_FROM_AXIS)
    parts = [
        _limb_and_chest(1.1, axis, _CHEST_R) * _bell(time, 0.0, 0.012),
        _limb_and_chest(-0.25, axis, -_CHEST_S) * _bell(time, 0.032, 0.013),
        _limb_and_chest(0.3, towards, _CHEST_T) * _bell(time, 0.26, 0.045),
    ]
    if study.rhythm != "fibrillation":
        parts.append(_limb_and_chest(0.13, 55.0, np.full(6, 0.08)) * _bell(time, -0.16, 0.025))
    if study.shift != "none":
        sign = -1.0 if "depression" in study.shift else 1.0
        leads = np.array([name in _SHIFTED[study.shift] for name in LEADS], float)[:, None]
        parts.append(sign * study.millivolts * leads * _plateau(time, 0.05, 0.3))
    return np.asarray(np.sum(parts, axis=0))


def _early_beat(study: EcgStudy, time: Float[np.ndarray, "n"]) -> Float[np.ndarray, "leads n"]:
    """Broad, high, without a P, and a T against it."""
    along = _limb_and_chest(1.5, study.axis + 70, np.array([1.2, 1.4, 1.1, 0.6, -0.5, -0.8]))
    return along * (_bell(time, 0.02, 0.045) - 0.35 * _bell(time, 0.3, 0.06))


def _limb_and_chest(millivolts: float, axis: float, chest: Float[np.ndarray, "6"]) -> Float[np.ndarray, "leads 1"]:
    limbs = [
        millivolts * np.cos(np.radians(axis - angle)) * (_AUGMENTED if name.startswith("aV") else 1.0)
        for name, angle in _ANGLES.items()
    ]
    return np.array([*limbs, *chest])[:, None]


def _bell(time: Float[np.ndarray, "n"], middle: float, width: float) -> Float[np.ndarray, "n"]:
    return np.asarray(np.exp(-0.5 * np.square((time - middle) / width)))


def _plateau(time: Float[np.ndarray, "n"], first: float, last: float) -> Float[np.ndarray, "n"]:
    return np.asarray((np.tanh((time - first) / 0.015) - np.tanh((time - last) / 0.04)) / 2)
