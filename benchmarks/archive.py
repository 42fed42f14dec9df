"""The audit of a simulated archive, over its number of pairs: time, peak memory, and what it finds.

    python benchmarks/archive.py --pairs 10000 100000 1000000 --width 128

Two modalities of unit rows: a concept of a thousand, the case's own direction, a cone that makes the gap, noise. They
are written as .npy and audited as a person would, mapped into memory; labels are the concepts' twenty families.
"""

import tempfile
from pathlib import Path

import numpy as np
from measure import apart, measured, options, write

from closegap import audit
from closegap.embeddings import ArrayFile, embedding_set_from_arrays

BLOCK = 50_000
CONCEPTS, FAMILIES = 1000, 20


def write_archive(folder: Path, pairs: int, width: int) -> None:
    """image.npy, report.npy and organ.txt, made block by block."""
    random = np.random.default_rng(0)
    families, concepts, *cones = (
        random.normal(size=(n, width)).astype(np.float32) / width**0.5 for n in (FAMILIES, CONCEPTS, 1, 1)
    )
    concepts += families[np.arange(CONCEPTS) % FAMILIES]
    arrays = [
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (pairs, width))
        for name in ("image", "report")
    ]
    with (folder / "organ.txt").open("w") as labels:
        for start in range(0, pairs, BLOCK):
            n = min(BLOCK, pairs - start)
            concept = random.integers(CONCEPTS, size=n)
            labels.writelines(f"organ {number % FAMILIES}\n" for number in concept)
            case = concepts[concept] + 0.5 * random.standard_normal((n, width), np.float32) / width**0.5
            for array, cone in zip(arrays, cones, strict=True):
                rows = case + 0.8 * cone + random.standard_normal((n, width), np.float32) / width**0.5
                array[start : start + n] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for array in arrays:
        array.flush()


def measure(pairs: int, width: int, resamples: int) -> dict[str, float]:
    """Load and audit an archive in this process."""
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_archive(folder, pairs, width)

        def work() -> None:
            arrays = [ArrayFile(folder / "image.npy"), ArrayFile(folder / "report.npy")]
            embeddings, _ = embedding_set_from_arrays(arrays, labels=[ArrayFile(folder / "organ.txt")])
            found.append(audit(embeddings, resamples=resamples))

        costs = measured(work, repeats=1)
    metrics = found[0].arms[0].metrics
    wanted = ("gap", "image_to_report/R@10", "mixed/own_modality_share", "v_measure")
    return {**costs, **{name: metrics[name].value for name in wanted}}


def main() -> None:
    given = options(__doc__, pairs=[10_000, 100_000], width=128, resamples=1000)
    rows = [
        {"pairs": pairs, "width": given.width, **apart(measure, pairs, given.width, given.resamples)}
        for pairs in given.pairs
    ]
    columns = ["pairs", "width", "seconds", "cpu_seconds", "extra_mib", "gap", "image_to_report/R@10"]
    write("archive", rows, [*columns, "mixed/own_modality_share", "v_measure"], given.out)


if __name__ == "__main__":
    main()
