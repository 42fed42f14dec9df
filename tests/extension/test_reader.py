"""A source that closegap does not know, by class path through the public commands."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.extension.reader import TextBesideImage

from closegap.cli import main
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.testing import check_source


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    for number in range(20):
        folder = tmp_path / "pairs" / ("train" if number < 12 else "validation")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 12 * number).save(folder / f"p{number}_a.png")
        (folder / f"p{number}_a.txt").write_text(f"brightness {number}", encoding="utf-8")
    return tmp_path / "pairs"


def test_it_holds_to_what_every_source_must(pairs: Path) -> None:
    (pairs / "train" / "p3_a.txt").write_text(" ", encoding="utf-8")  # a broken row
    check_source(TextBesideImage(pairs))


def test_a_reader_by_class_path(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = {"dim": 16, "layers": 1, "heads": 2, "max_length": 8, "buckets": 256}
    image = {"size": 16, "widths": [8, 8], "grid": 1}
    content = {
        "data": {"class_path": "tests.extension.reader.TextBesideImage", "init_args": {"root": str(pairs)}},
        "model": {
            "encoders": {
                "image": {"class_path": "closegap.models.SmallImageEncoder", "init_args": image},
                "report": {"class_path": "closegap.models.SmallTextEncoder", "init_args": text},
            },
            "dim": 8,
        },
        "train": {"steps": 2, "batch_size": 4, "trackers": []},
    }
    config, run, out = tmp_path / "config.yaml", tmp_path / "run", tmp_path / "set.safetensors"
    config.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    assert main(["train", "--config", str(config), "--out", str(run)]) == 0
    assert "brightness 15" in (run / "report.html").read_text(encoding="utf-8")
    assert main(["embed", str(run), "--split", "validation", "--out", str(out)]) == 0
    assert list(EmbeddingSet.load(out).ids) == [f"p{number}_a" for number in range(12, 20)]

    (pairs / "train" / "p3_a.txt").write_text(" ", encoding="utf-8")
    capsys.readouterr()
    assert main(["train", "--config", str(config), "--out", str(tmp_path / "other")]) == 1
    assert "p3_a.txt: has no text; remove it and its image" in capsys.readouterr().err
