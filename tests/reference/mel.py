"""Mel spectrograms and statistics of them, from their definitions, in float64 and one number at a time."""

import cmath
import math

import numpy as np
from jaxtyping import Float


def log_mel(
    samples: Float[np.ndarray, "n"], rate: int, mels: int, window: float, hop: float, low: float
) -> Float[np.ndarray, "mels frames"]:
    size, step = round(window * rate), round(hop * rate)
    points = 1
    while points < size:
        points *= 2
    weights = [math.sin(math.pi * t / size) ** 2 for t in range(size)]
    spectra = []
    first = 0
    while True:
        frame = [float(samples[first + t]) if first + t < len(samples) else 0.0 for t in range(size)]
        powers = []
        for k in range(points // 2 + 1):
            total = sum(
                w * x * cmath.exp(-2j * math.pi * k * t / points)
                for t, (w, x) in enumerate(zip(weights, frame, strict=True))
            )
            powers.append(abs(total) ** 2 / sum(weights) ** 2)
        spectra.append(powers)
        if first + size >= len(samples):
            break
        first += step
    bands = filters(rate, points, mels, low)
    energies = [[sum(f * p for f, p in zip(band, powers, strict=True)) for powers in spectra] for band in bands]
    return np.asarray(10 * np.log10(np.maximum(np.array(energies), 1e-10)))


def filters(rate: int, points: int, mels: int, low: float) -> list[list[float]]:
    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    corners = [mel(low) + (mel(rate / 2) - mel(low)) * m / (mels + 1) for m in range(mels + 2)]
    hertz = [700 * (10 ** (corner / 2595) - 1) for corner in corners]
    found = []
    for m in range(mels):
        below, peak, above = hertz[m : m + 3]
        row = []
        for k in range(points // 2 + 1):
            f = k * rate / points
            if below <= f <= peak:
                row.append((f - below) / (peak - below))
            elif peak < f <= above:
                row.append((above - f) / (above - peak))
            else:
                row.append(0.0)
        if not any(row):
            row[min(range(len(row)), key=lambda k: abs(k * rate / points - peak))] = 1.0
        found.append(row)
    return found


def statistics(decibels: Float[np.ndarray, "mels frames"], cepstrum: int) -> Float[np.ndarray, "dim"]:
    values = decibels / 20
    mels, frames = values.shape
    coefficients = np.zeros((cepstrum, frames))
    for q in range(1, cepstrum + 1):
        for t in range(frames):
            coefficients[q - 1, t] = math.sqrt(2 / mels) * sum(
                values[m, t] * math.cos(math.pi * q * (2 * m + 1) / (2 * mels)) for m in range(mels)
            )
    slopes = [
        [sum(k * (coefficients[q, t + k] - coefficients[q, t - k]) for k in (1, 2)) / 10 for t in range(2, frames - 2)]
        for q in range(cepstrum)
    ]
    spread = [float(np.std(row)) if row else 0.0 for row in slopes]
    return np.concatenate([values.mean(1), values.std(1), coefficients.std(1), spread])
