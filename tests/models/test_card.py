import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from closegap.models import Model, SmallTextEncoder
from closegap.models.card import CARD, Card

REPORT: dict[str, Any] = {
    "schema": 2,
    "arms": [
        {"name": "CLIP", "metrics": {"gap": {"value": 0.6, "low": 0.5, "high": 0.7}}},
        {
            "name": "CLIP + ATP",
            "metrics": {
                "gap": {"value": 0.1234, "low": 0.1, "high": 0.15},
                "a_to_b/R@10": {"value": 0.25, "low": None, "high": None},
                "spread": {"value": 1.0, "low": None, "high": None},
            },
        },
    ],
    "metrics": {
        "gap": {"label": "Gap", "heading": "Gap", "unit": "decimal", "meaning": "Of means.", "key": True},
        "a_to_b/R@10": {"label": "R@10", "heading": "a|b", "unit": "percent", "meaning": "Found.", "key": True},
        "spread": {"label": "Spread", "heading": "Gap", "unit": "decimal", "meaning": "Not a key figure."},
    },
    "data": {"split": "test", "gallery": {"a": 40, "b": 41}},
}


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model({name: SmallTextEncoder(dim=16, heads=2, buckets=64) for name in ("a", "b")}, 8).eval()


def test_the_hub_reads_the_card(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m", card=Card("cc-by-nc-4.0", "Captions: of ROCO-4.6k.", report=REPORT))
    found = ModelCard.load(tmp_path / "m" / CARD)
    assert (found.data.license, found.data.library_name) == ("cc-by-nc-4.0", "closegap")
    assert (found.data.model_name, found.data.pipeline_tag) == ("CLIP + ATP", "feature-extraction")
    results = {one.metric_type: one for one in found.data.eval_results}
    assert {name: one.metric_value for name, one in results.items()} == {"gap": 0.1234, "a_to_b/R@10": 0.25}
    assert (results["gap"].dataset_name, results["gap"].dataset_split) == ("Captions: of ROCO-4.6k.", "test")
    lines = found.text.splitlines()
    assert "|  | CLIP | CLIP + ATP | what it is |" in lines
    assert "| Gap | 0.6 (0.5 to 0.7) | 0.123 (0.1 to 0.15) | Of means. |" in lines
    assert "| a\\|b: R@10 |  | 25.0% | Found. |" in lines
    assert "Spread" not in found.text
    assert "Split `test`, a gallery of 40 of a, 41 of b; 95% intervals." in lines
    for heading in ("Parts", "Data", "Measured", "Licence", "Intended use", "Limits"):
        assert f"## {heading}" in lines


def test_a_card_says_what_nobody_said(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    found = ModelCard.load(tmp_path / "m" / CARD)
    assert (found.data.license, found.data.eval_results) == ("unknown", None)
    assert "Not given: ask whoever made this model." in found.text
    assert "did not say what it was trained on" in found.text
    assert "## Measured" not in found.text


def test_a_card_may_be_changed_and_a_model_may_not(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    assert CARD not in json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))["files"]
    (tmp_path / "m" / CARD).write_text("Mine.", encoding="utf-8")
    rows = Model.from_pretrained(tmp_path / "m").embed(a=["nodule"])["a"]
    assert torch.equal(rows, model.embed(a=["nodule"])["a"])
