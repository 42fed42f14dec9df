"""A manifest of ROCO whose training figures have further views: random crops, turned a little, brighter or darker.

    python benchmarks/augmented_views.py ROCO views --copies 3
    closegap study --config configs/roco-words.yaml configs/study/views.yaml configs/study/last-blocks.yaml \
        --data.path views/cases.csv --out runs/last-block

A draw of a case takes one of its views, so that features and activations that are kept once are augmented all the
same. Figures are never mirrored: sides mean something. Validation and test keep the figure as it is.
"""

import argparse
import csv
from itertools import count
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms import v2

from closegap.data import Case, Roco

AUGMENTED = v2.Compose(
    [
        v2.RandomAffine(degrees=8, translate=(0.05, 0.05)),
        v2.RandomResizedCrop(224, scale=(0.6, 1.0), ratio=(0.85, 1.18), antialias=True),
        v2.ColorJitter(brightness=0.2, contrast=0.2),
    ]
)


def write_views(case: Case, row: int, copies: int, out: Path) -> list[str]:
    """The paths of the figure and, of a training case, of its copies, which are written."""
    figure = case.views["image"][0]
    paths = [str(figure)]
    if case.split == "train":
        with Image.open(figure) as opened:
            image = opened.convert("RGB")
        torch.manual_seed(row)
        for copy in range(copies):
            path = out / f"{row}-{copy}.jpg"
            AUGMENTED(image).save(path, quality=92)
            paths.append(str(path))
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copies", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    names = ["image", *(f"image_{copy}" for copy in range(given.copies))]
    with (given.out / "cases.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", "split", "caption", *names])
        cases = (case for case in Roco(given.root).rows() if isinstance(case, Case))
        for row, case in zip(count(), cases, strict=False):
            paths = write_views(case, row, given.copies, given.out)
            paths += [""] * (len(names) - len(paths))
            table.writerow([case.id, case.group, case.split, case.views["caption"][0], *paths])


if __name__ == "__main__":
    main()
