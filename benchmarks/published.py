"""Published embeddings of a known model: each method and score stage, beside its controls, over random halves.

    python benchmarks/published.py image.npy text.npy --splits 8

Row i of one file is the pair of row i of the other. One half fits, the other is searched; the table has means and
standard deviations over the splits, of which every row is in about half: no intervals, since they share rows.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch

from closegap import EmbeddingSet
from closegap.evaluation.compare import Result, compare
from closegap.evaluation.posthoc_arms import Correction, corrected
from closegap.metrics.standard import standard_metrics
from closegap.posthoc import chosen_arms
from closegap.scores import STAGES

METHODS, STAGES_TRIED = ("procrustes", "whiten", "canonical", "placebo"), ("standardise", "offset", "zscore")
COLUMNS = {  # title: figures whose mean is shown, and how many decimals of a share or a percentage
    "gap": (("gap",), None),
    "R@10 across, %": (("{a}_to_{b}/R@10", "{b}_to_{a}/R@10"), 1),
    "counterpart mixed, %": (("mixed/R@10",), 1),
    "matched-size R@10, %": (("mixed_matched/R@10",), 1),
    "ratio": (("mixed_matched/ratio",), None),
    "own share": (("mixed_matched/own_modality_share",), None),
}


def half(rows: EmbeddingSet, seed: int) -> tuple[EmbeddingSet, EmbeddingSet]:
    order = torch.randperm(len(rows.ids), generator=torch.Generator().manual_seed(seed))
    return rows.select(order[: len(order) // 2].sort().values), rows.select(order[len(order) // 2 :].sort().values)


def measured(rows: EmbeddingSet, seed: int) -> dict[str, dict[str, float]]:
    """Arm to figure to value, of one split."""
    train, test = half(rows, seed)
    original = Result("as they are", None, test)
    made = corrected(original, Correction(chosen_arms(METHODS), STAGES.chosen(STAGES_TRIED), train, train))
    found = compare([original, *made.moved.values(), *made.staged], 2, metrics=standard_metrics("tasks"))
    return {arm.name: {name: one.value for name, one in arm.metrics.items()} for arm in found.report.arms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2, type=Path)
    parser.add_argument("--splits", type=int, default=8)
    options = parser.parse_args()
    a, b = (path.stem for path in options.files)
    rows = EmbeddingSet.from_arrays(**{path.stem: np.load(path, allow_pickle=False) for path in options.files})
    splits = [measured(rows, seed) for seed in range(options.splits)]
    print("| |", " | ".join(COLUMNS), "|\n|---|" + "---|" * len(COLUMNS))
    for arm in splits[0]:
        cells = []
        for figures, decimals in COLUMNS.values():
            of_split = [[split[arm][name.format(a=a, b=b)] for name in figures] for split in splits]
            values = [statistics.mean(found) for found in of_split]
            mean, spread = statistics.mean(values), statistics.stdev(values)
            cells.append(
                f"{mean:.3f} ± {spread:.3f}" if decimals is None else f"{mean:.1%} ± {spread:.1%}".replace("%", "")
            )
        print(f"| {arm} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
