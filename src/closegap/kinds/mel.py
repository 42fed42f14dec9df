"""Mel spectrograms."""

from functools import cache

import numpy as np
from jaxtyping import Float, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

_FLOOR = 1e-10  # -100 dB: below what 16 bits tell from silence
_AT_ONCE = 2**22  # numbers


def log_mel(
    samples: Float32[np.ndarray, "n"],
    rate: int,
    mels: int = 64,
    window: float = 0.025,
    hop: float = 0.010,
    low: float = 0.0,
    high: float | None = None,
) -> Float32[np.ndarray, "mels frames"]:
    """Mel spectrogram in dB of full scale, at least -100.

    10 log10 sum_k f_mk |sum_t w_t x_t e^(-2 pi i k t / N)|^2 / (sum_t w_t)^2, with the filters f of `mel_filters`.

    Frames begin every `hop` seconds, the first at the first sample; the last is filled up with zeros. The window w is a
    periodic Hann window, N the power of two above it; a sine at full scale is about -6 dB.

    Args:
        samples: mono, at least one.
        rate: samples in a second.
        mels: bands.
        window: seconds of a frame.
        hop: seconds from frame to frame.
        low: frequency where the lowest band begins, in Hz.
        high: where the highest ends; half the rate by default.
    """
    size, step = max(1, round(window * rate)), max(1, round(hop * rate))
    frames = 1 + max(0, -(-(len(samples) - size) // step))
    filled = np.zeros((frames - 1) * step + size, np.float32)
    filled[: min(len(samples), len(filled))] = samples[: len(filled)]
    points = 1 << (size - 1).bit_length()
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    hann /= max(hann.sum(), 1e-12)
    filters = mel_filters(rate, points, mels, low, high).astype(np.float32)
    found = np.empty((mels, frames), np.float32)
    pieces = sliding_window_view(filled, size)[::step]
    together = max(1, _AT_ONCE // points)
    for first in range(0, frames, together):
        spectrum = rfft(pieces[first : first + together] * hann, points)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        found[:, first : first + together] = filters @ power.T
    decibels: Float32[np.ndarray, "mels frames"] = 10 * np.log10(np.maximum(found, _FLOOR))
    return decibels


@cache
def mel_filters(
    rate: int, points: int, mels: int, low: float = 0.0, high: float | None = None
) -> Float[np.ndarray, "mels bins"]:
    """Triangles over the bins of a Fourier transform, each 1 at its peak, whose corners are equally far apart in mel.

    mel(f) = 2595 log10(1 + f / 700), HTK's scale. A band so narrow that no bin falls into it takes the nearest bin.

    Args:
        rate: samples in a second.
        points: of the transform.
        mels: bands.
        low: frequency where the lowest band begins, in Hz.
        high: where the highest ends; half the rate by default.
    """
    corners = _hertz(np.linspace(_mel(low), _mel(rate / 2 if high is None else min(high, rate / 2)), mels + 2))
    bins = np.arange(points // 2 + 1) * rate / points
    below, peak, above = (corners[first : first + mels, None] for first in range(3))
    rising = (bins - below) / np.maximum(peak - below, 1e-9)
    falling = (above - bins) / np.maximum(above - peak, 1e-9)
    found: Float[np.ndarray, "mels bins"] = np.maximum(0, np.minimum(rising, falling))
    empty = np.flatnonzero(~found.any(1))
    found[empty, np.abs(bins - peak[empty]).argmin(1)] = 1
    return found


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.asarray(700 * (10 ** (mel / 2595) - 1), np.float64)
