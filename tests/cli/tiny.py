"""Data, configs and a way to run the command line, so small that a verb takes a moment."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_SPLITS = ["train"] * 24 + ["validation"] * 8 + ["test"] * 8
_TOPICS = ("mass", "effusion", "fracture", "nodule")


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line did."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


def encoder(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"closegap.models.{name}", "init_args": arguments}


IMAGE = encoder("SmallImageEncoder", size=32, widths=[8, 8, 16, 16], grid=1)
REPORT = encoder("SmallTextEncoder", dim=16, layers=1, heads=2, max_length=8, buckets=256)


def config(data: Mapping[str, Any], image: str = "image", **keys: Any) -> dict[str, Any]:
    """The config of a run; what is the same in all tests is written here."""
    return {
        "arm": "tiny",
        "data": data,
        "model": {"encoders": {image: IMAGE, "report": REPORT}, "dim": 8},
        "train": {"steps": 4, "batch_size": 8, "lr": 0.003, "trackers": []},
        **keys,
    }


def phantoms(cases: int = 60, seed: int = 0) -> dict[str, Any]:
    return {"class_path": "closegap.phantom.Phantoms", "init_args": {"cases": cases, "size": 32, "seed": seed}}


def manifest(folder: Path) -> dict[str, Any]:
    """A table of images and reports, written to `folder`, and the config's data section for it."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(_SPLITS):
        name = f"images/{number:02d}.jpg"
        Image.fromarray(random.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / name)
        rows.append((f"c{number}", split, f"p{number}", name, f"{_TOPICS[number % 4]} of {number} mm"))
    write_rows(folder, rows)
    modalities = {
        "image": {"kind": "image", "columns": ["image"]},
        "report": {"kind": "text", "columns": ["report"]},
    }
    arguments = {"path": str(folder / "cases.csv"), "group": "patient", "modalities": modalities}
    return {"class_path": "closegap.data.Manifest", "init_args": arguments}


def write_rows(folder: Path, rows: Sequence[Sequence[str]]) -> None:
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "split", "patient", "image", "report"))
        table.writerows(rows)


def read_rows(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def roco(root: Path) -> dict[str, Any]:
    """ROCO's layout with three splits, written to `root`, and the config's data section for it."""
    number = 0
    for split, cases in (("train", 24), ("validation", 8), ("test", 8)):
        folder = root / "data" / split / "radiology"
        (folder / "images").mkdir(parents=True)
        captions, licences = [], ["id,figure,licence"]
        for _ in range(cases):
            number += 1
            captions.append(f"ROCO_{number:05d}\t CT showing a {_TOPICS[number % 4]}\n")
            licences.append(f"ROCO_{number:05d},PMC{number}_f1.jpg,CC BY")
            Image.new("L", (32, 32), 5 * number).save(folder / "images" / f"ROCO_{number:05d}.jpg")
        (folder / "captions.txt").write_text("".join(captions), encoding="utf-8")
        (folder / "licences.txt").write_text("\n".join(licences) + "\n", encoding="utf-8")
    return {"class_path": "closegap.data.Roco", "init_args": {"root": str(root)}}


def write(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path
