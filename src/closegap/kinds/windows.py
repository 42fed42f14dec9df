"""Grey levels of more than 8 bits as 8: the values' own range, but for a few extremes."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Num, UInt8

from closegap.errors import DataError

_WINDOW = (0.5, 99.5)  # percentiles; a few hot pixels or a burned-in marker must not darken the whole image
_AT_ONCE = 2**20  # pixels that are converted at once, where a conversion takes several copies


def strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """First row and end of bands of an image, each of about a million pixels."""
    rows = max(1, _AT_ONCE // max(1, width))
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def windowed(values: Num[np.ndarray, "height width"], inverted: bool) -> UInt8[np.ndarray, "height width"]:
    """The values' own range as 0..255; all 0 where there is but one value. What is not finite counts as darkest."""
    low, high = _window(values)
    levels = np.empty(values.shape, np.uint8)
    for top, bottom in strips(values.shape[1], values.shape[0]):
        strip = np.nan_to_num(values[top:bottom].astype(np.float64), nan=low, posinf=high, neginf=low)
        fraction = np.clip((strip - low) / max(high - low, np.finfo(np.float64).tiny), 0.0, 1.0)
        levels[top:bottom] = np.rint(255 * (1 - fraction if inverted else fraction))
    return levels


def _window(values: Num[np.ndarray, "height width"]) -> tuple[float, float]:
    """The percentiles of the finite values: those of `np.percentile` in float64, without a copy in float64."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise DataError("no pixel is a finite number")
    places = (finite.size - 1) * (np.array(_WINDOW) / 100)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, finite.size - 1)
    finite.partition(np.unique([0, *before, *after, finite.size - 1]))
    low, high = (
        _between(float(finite[one]), float(finite[other]), place - one)
        for place, one, other in zip(places, before, after, strict=True)
    )
    if low == high:  # an almost empty image: the few values that differ are all there is
        low, high = float(finite[0]), float(finite[-1])
    return low, high


def _between(low: float, high: float, share: float) -> float:
    """So far on the way from one to the other, rounded as NumPy does."""
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
