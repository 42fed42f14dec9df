"""A stage that closegap has never heard of, from its file to the report and to a search."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.extension.score_stage import MeanOffset

from closegap.cli.main import main
from closegap.embeddings import EmbeddingSet
from closegap.testing import check_scores

CLASS = "tests.extension.score_stage.MeanOffset"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with sets of a train and a test split."""
    monkeypatch.chdir(tmp_path)
    for seed, split in enumerate(("train", "test")):
        cases = np.random.default_rng(seed).normal(size=(40, 6))
        arrays = {name: cases + 3 * np.eye(6)[i] for i, name in enumerate(("image", "text"))}
        EmbeddingSet.from_arrays(**arrays, ids=[f"{split} {row}" for row in range(40)]).save(f"{split}.safetensors")
    return tmp_path


def test_it_holds_to_what_every_stage_must() -> None:
    check_scores(MeanOffset(0.7))


@pytest.mark.usefixtures("folder")
def test_it_is_fitted_and_searched_with(capsys: pytest.CaptureFixture[str]) -> None:
    fit = ("scores", "fit", "--reference", "train.safetensors", "--out", "mean.safetensors")
    apply = ("scores", "apply", "mean.safetensors", "test.safetensors", "train.safetensors", "--out", "found.parquet")
    assert main([*fit, "--method", CLASS, "--amount", "0.5"]) == 0
    assert main([*apply, "--method", CLASS, "-k", "3"]) == 0
    assert pq.read_table("found.parquet").num_rows == 2 * 40 * 3
    capsys.readouterr()
    assert main([*apply, "--overwrite"]) == 2
    assert f"holds {CLASS}, which is not trusted" in capsys.readouterr().err
    assert main([*fit, "--method", CLASS, "--amount", "2", "--overwrite"]) == 2
    assert "--amount: 2.0 given, expected a number from 0 to 1" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_it_stands_in_an_audit() -> None:
    options = ("--train", "train.safetensors", "--metrics", "tasks", "--resamples", "5", "--out", "audit")
    assert main(["audit", "test.safetensors", *options, "--scores", "standardise", CLASS]) == 0
    report = json.loads(Path("audit/report.json").read_text(encoding="utf-8"))
    names = ["original", "original + standardise", "original + MeanOffset"]
    assert [arm["name"] for arm in report["arms"]] == names
    ratios = [arm["metrics"]["mixed_matched/ratio"]["value"] for arm in report["arms"]]
    assert ratios[2] > ratios[0]
