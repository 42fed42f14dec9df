"""A config and a table as a user has them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

TOPICS = ("mass", "effusion", "fracture", "nodule", "stone", "cyst")


def write_config(
    folder: Path, dropout: float = 0.1, objective: Mapping[str, Any] | None = None, cases: int = 64, **training: Any
) -> Path:
    """A manifest of reports and records, of which 48 train, and the config of a run on it."""
    random = np.random.default_rng(0)
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "split", "report", "second", "size", "kind"))
        for number in range(cases):
            topic = int(random.integers(6))
            report = f"{TOPICS[topic]} of {number} mm"
            second = "" if number % 3 else f"there is a {TOPICS[topic]}"
            size = "" if number % 11 == 5 else f"{topic + random.normal(0, 0.2):.3f}"
            table.writerow(
                (f"c{number}", "train" if number < 48 else "validation", report, second, size, "ab"[topic % 2])
            )
    encoders = {
        "report": _class("SmallTextEncoder", dim=16, layers=1, heads=2, max_length=8, buckets=256, dropout=dropout),
        "record": _class("RecordEncoder", numeric=["size"], categorical=["kind"], dim=16, hidden=16, dropout=dropout),
    }
    modalities = {
        "report": {"kind": "text", "columns": ["report", "second"]},
        "record": {"kind": "record", "numbers": ["size"], "categories": ["kind"]},
    }
    config = {
        "arm": "tiny",
        "seed": 3,
        "data": {
            "class_path": "closegap.data.Manifest",
            "init_args": {"path": str(folder / "cases.csv"), "modalities": modalities},
        },
        "model": {"encoders": encoders, "dim": 8},
        **({} if objective is None else {"objective": objective}),
        "train": {"batch_size": 16, "lr": 0.003, "trackers": [], **training},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


def _class(name: str, **arguments: Any) -> Mapping[str, Any]:
    return {"class_path": f"closegap.models.{name}", "init_args": arguments}
