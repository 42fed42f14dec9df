"""Simulated embeddings with the spectrum of real ones, on disk, for the benchmarks of the index.

Two modalities of unit rows, one of each a case: a concept of a thousand, the case's own direction, noise of the
modality, each with variances that fall as 1 / dimension^0.8 in a basis of nobody's, and a cone that makes the gap.
"""

from pathlib import Path

import numpy as np

MODALITIES = ("image", "report")
_BLOCK = 20_000
_CONCEPTS = 1000


def write_rows(folder: Path, rows: int, width: int) -> None:
    """image.npy and report.npy in float32; the first rows are the same whatever their number."""
    fixed = np.random.default_rng(0)
    basis = np.linalg.qr(fixed.standard_normal((width, width)))[0]
    spectrum = (basis * np.arange(1, width + 1) ** -0.4).astype(np.float32)
    spectrum /= np.linalg.norm(spectrum)
    concepts = fixed.standard_normal((_CONCEPTS, width), np.float32) @ spectrum.T
    cones = [_unit(fixed.standard_normal((1, width), np.float32)) for _ in MODALITIES]
    files = [np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (rows, width)) for name in MODALITIES]
    for number, start in enumerate(range(0, rows, _BLOCK)):
        random, count = np.random.default_rng([1, number]), _BLOCK
        shared = concepts[random.integers(_CONCEPTS, size=count)]
        shared = shared + 0.8 * random.standard_normal((count, width), np.float32) @ spectrum.T
        for file, cone in zip(files, cones, strict=True):
            own = random.standard_normal((count, width), np.float32) @ spectrum.T
            file[start : start + count] = _unit(shared + 0.6 * own + 0.5 * cone)[: rows - start]
    for file in files:
        file.flush()


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
