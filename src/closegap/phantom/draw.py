"""Random draws that are the same on every machine and with every version of NumPy."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

T = TypeVar("T")


class Draw:
    """A stream of random values, fixed by (seed, index, purpose).

    NumPy promises the raw bits of PCG64 and the mixing of SeedSequence for ever, but not the streams of `Generator`'s
    distributions; so every value here is made from raw bits by integer arithmetic and exact scaling. A purpose of its
    own for each part of a case keeps the parts independent: a case drawn with another finding has the same ribs.

    Args:
        seed: of the data set, at least 0.
        index: of the case, at least 0.
        purpose: what is drawn, a word.
    """

    def __init__(self, seed: int, index: int, purpose: str) -> None:
        key = int.from_bytes(purpose.encode(), "little")
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index, key)))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def bell(self, centre: float, reach: float) -> float:
        """A number of the triangular distribution on (centre - reach, centre + reach)."""
        return centre + reach * (self.uniform() + self.uniform() - 1.0)

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return self.uniform() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[((int(self._bits.random_raw()) >> 32) * len(options)) >> 32]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, likely in proportion to its weight."""
        left = self.uniform() * sum(weights.values())
        for option, weight in weights.items():
            left -= weight
            if left < 0.0:
                return option
        return option  # rounding may leave a last crumb

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order."""
        rest = list(items)
        order = []
        while rest:
            item = self.pick(rest)
            rest.remove(item)
            order.append(item)
        return order

    def lattice(self, rows: int, columns: int) -> Float32[np.ndarray, "rows columns"]:
        """Independent values in [-1, 1), uniform."""
        raw = self._bits.random_raw(rows * columns) >> np.uint64(40)
        scaled: Float32[np.ndarray, "rows columns"] = raw.astype(np.float32).reshape(rows, columns)
        return scaled * np.float32(2.0**-23) - np.float32(1.0)

    def grain(self, rows: int, columns: int) -> Float32[np.ndarray, "rows columns"]:
        """Independent values of mean 0 and variance 1, nearly normal: the scaled sum of four 16-bit uniforms."""
        raw = self._bits.random_raw(rows * columns)
        mask = np.uint64(0xFFFF)
        total = (raw & mask) + (raw >> np.uint64(16) & mask) + (raw >> np.uint64(32) & mask) + (raw >> np.uint64(48))
        centred: Float32[np.ndarray, "rows columns"] = total.astype(np.float32).reshape(rows, columns)
        return (centred - np.float32(2 * 65535)) * np.float32(2.642919e-05)  # sqrt(3) / 65536
