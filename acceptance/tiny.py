"""Data and configs so small that a command takes a moment."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLUMNS = ("id", "split", "patient", "image", "report", "second", "concepts", "age", "sex")
_FINDINGS = ("mass", "effusion", "fracture", "nodule")

KINDS: Mapping[str, Any] = {
    "image": {"kind": "image", "columns": ["image"]},
    "report": {"kind": "text", "columns": ["report", "second"]},
    "concepts": {"kind": "codes", "columns": ["concepts"]},
    "record": {"kind": "record", "numbers": ["age"], "categories": ["sex"]},
}


def part(class_path: str, /, **arguments: Any) -> dict[str, Any]:
    """A class of a config."""
    return {"class_path": class_path, "init_args": arguments}


TOWERS: Mapping[str, Any] = {
    "image": part("closegap.models.SmallImageEncoder", size=32, widths=[8, 8, 8, 8], grid=1),
    "report": part("closegap.models.SmallTextEncoder", dim=8, layers=1, heads=1, max_length=6, buckets=32, dropout=0.1),
    "concepts": part("closegap.models.CodeSetEncoder", dim=8, buckets=16),
    "record": part("closegap.models.RecordEncoder", numeric=["age"], categorical=["sex"], dim=8, hidden=8),
}


def rows(train: int = 12, validation: int = 6, test: int = 6) -> list[dict[str, str]]:
    """The rows of a table; its images are those of `write_images`."""
    splits = ["train"] * train + ["validation"] * validation + ["test"] * test
    return [
        {
            "id": f"c{number}",
            "split": split,
            "patient": f"p{number}",
            "image": f"images/{number % 24}.png",
            "report": f"{_FINDINGS[number % 4]} of {number} mm",
            "second": "" if number % 3 else f"there is a {_FINDINGS[number % 4]}",
            "concepts": f"C{number % 4};C9",
            "age": str(30 + number % 50),
            "sex": "FM"[number % 2],
        }
        for number, split in enumerate(splits)
    ]


def write_table(path: Path, found: list[dict[str, str]]) -> None:
    """A CSV file of these rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(found)


def write_images(folder: Path, count: int = 24) -> None:
    """Images of noise, 0.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (16, 16), dtype=np.uint8)).save(folder / f"{number}.png")


def manifest(path: str, *modalities: str, **arguments: Any) -> dict[str, Any]:
    """The data section of a config for a table as above."""
    chosen = {name: KINDS[name] for name in modalities or KINDS}
    return part("closegap.data.Manifest", path=path, modalities=chosen, **arguments)


def config(path: str, *modalities: str, **training: Any) -> dict[str, Any]:
    """The config of a run on a table as above."""
    chosen = modalities or ("report", "record")
    return {
        "arm": "tiny",
        "data": manifest(path, *chosen),
        "model": {"encoders": {name: TOWERS[name] for name in chosen}, "dim": 4},
        "train": {"steps": 3, "batch_size": 6, "trackers": [], "checkpoint_every": 1, "validate_every": 1, **training},
    }


def write(path: Path | str, content: Mapping[str, Any]) -> str:
    """The path of a config that was written there."""
    Path(path).write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return str(path)
