"""What an earlier version wrote is read as it was meant, and what a later one wrote is refused in a line."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from shutil import copytree
from typing import Any

import jsonschema
import pytest
import torch
from safetensors.torch import load_file

import closegap
from closegap import EmbeddingSet
from closegap.errors import ClosegapError
from closegap.evaluation.report import SCHEMA
from closegap.posthoc import PostHoc

WRITTEN = Path(__file__).parent / "golden" / "version_0_1"
ITEMS: dict[str, Sequence[Any]] = {
    "codes": [("C1",), ("C2", "C3"), ()],
    "record": [{"age": 40.0}, {"age": None}, {"age": 71.5}],
}


def test_a_model_of_0_1_embeds_as_it_did() -> None:
    found = closegap.load(WRITTEN / "model").embed(codes=ITEMS["codes"], record=ITEMS["record"])
    for name, rows in load_file(WRITTEN / "embedded.safetensors").items():
        torch.testing.assert_close(found[name], rows, atol=1e-5, rtol=0)


def test_a_set_and_a_method_of_0_1_are_read() -> None:
    pairs = EmbeddingSet.load(WRITTEN / "pairs.safetensors")
    assert pairs.ids[-1] == "case 11"
    moved = PostHoc.load(WRITTEN / "center.safetensors").transform(pairs.embeddings["text"], "text")
    torch.testing.assert_close(moved, load_file(WRITTEN / "centered.safetensors")["text"], atol=1e-5, rtol=0)


def test_a_report_of_0_1_is_one_of_the_present_schema() -> None:
    report = json.loads((WRITTEN / "report.json").read_text(encoding="utf-8"))
    schema = json.loads(files("closegap.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    assert report["schema"] == SCHEMA == schema["properties"]["schema"]["const"]
    jsonschema.validate(report, schema)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (3, "format 3, this closegap reads 2; install a newer one to load the model"),
        (1, "format 1, this closegap reads 2; save the model again, from its run, with this one"),
        (None, "format None, this closegap reads 2; save the model again"),
    ],
)
def test_a_model_of_another_format_is_refused_in_a_line(version: int | None, says: str, tmp_path: Path) -> None:
    folder = copytree(WRITTEN / "model", tmp_path / "model")
    said = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**said, "format": version}), encoding="utf-8")
    with pytest.raises(ClosegapError, match=says) as error:
        closegap.load(folder)
    assert "\n" not in str(error.value)
