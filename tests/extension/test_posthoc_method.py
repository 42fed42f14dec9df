"""A method that closegap has never heard of, from its file to the report."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.extension.posthoc_method import MedianShift

from closegap.cli.main import main
from closegap.embeddings import EmbeddingSet
from closegap.testing import check_posthoc

CLASS = "tests.extension.posthoc_method.MedianShift"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with sets and arrays of a train and a test split."""
    monkeypatch.chdir(tmp_path)
    for seed, split in enumerate(("train", "test")):
        generator = np.random.default_rng(seed)
        cases = generator.normal(size=(40, 6))
        arrays = {name: cases + 3 * np.eye(6)[i] for i, name in enumerate(("image", "text"))}
        for name, rows in arrays.items():
            np.save(f"{name}-{split}.npy", rows)
        EmbeddingSet.from_arrays(**arrays, ids=[f"{split} {row}" for row in range(40)]).save(f"{split}.safetensors")
    return tmp_path


def test_it_holds_to_what_every_method_must() -> None:
    check_posthoc(MedianShift(0.7))


@pytest.mark.usefixtures("folder")
def test_it_is_fitted_and_applied(capsys: pytest.CaptureFixture[str]) -> None:
    fit = ("posthoc", "fit", "--train", "train.safetensors", "--out", "median.safetensors")
    apply = ("posthoc", "apply", "median.safetensors", "test.safetensors", "--out", "moved.safetensors")
    assert main([*fit, "--method", CLASS, "--amount", "0.5"]) == 0
    assert main([*apply, "--method", CLASS]) == 0
    moved = EmbeddingSet.load("moved.safetensors")
    assert moved.meta["posthoc"] == [{"class": CLASS, "settings": {"amount": 0.5}}]

    capsys.readouterr()
    assert main([*apply, "--overwrite"]) == 2
    assert f"holds {CLASS}, which is not trusted" in capsys.readouterr().err
    assert main([*fit, "--method", CLASS, "--amount", "2", "--overwrite"]) == 2
    assert "amount 2.0; expected a share in [0, 1]" in capsys.readouterr().err


def test_its_settings_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["posthoc", "fit", "--method", CLASS, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "--amount AMOUNT how much of the median, in [0, 1]. (number; default 1.0)" in told


def test_it_stands_in_an_audit(folder: Path) -> None:
    arrays = ("image-test.npy", "text-test.npy", "--train", "image-train.npy", "text-train.npy", "--resamples", "5")
    assert main(["audit", *arrays, "--posthoc", CLASS, "shift", "--out", "audit"]) == 0
    report = json.loads(Path("audit/report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["original", "original + shift", "original + MedianShift"]
    gaps = [arm["metrics"]["gap"]["value"] for arm in report["arms"]]
    assert gaps[2] < 0.5 * gaps[0]
    assert gaps[2] < report["data"]["MedianShift_sweep"]["0.5"]["gap"]["value"] < gaps[0]
    page = (folder / "audit/report.html").read_text(encoding="utf-8")
    assert "MedianShift" in page
    assert "original + MedianShift, by amount" in page
