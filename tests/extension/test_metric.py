"""A metric that closegap has never heard of, from its file to the report."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from tests.extension.metric import MUTUAL, MutualNearest

import closegap
from closegap.cli.main import main
from closegap.testing import check_metric

CLASS = "tests.extension.metric.MutualNearest"
SCHEMA = Path(closegap.__file__).parent / "report" / "report.schema.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with arrays of a train and a test split."""
    monkeypatch.chdir(tmp_path)
    for seed, split in enumerate(("train", "test")):
        generator = np.random.default_rng(seed)
        cases = generator.normal(size=(30, 6))
        for i, name in enumerate(("image", "text", "record")):
            np.save(f"{name}-{split}.npy", cases + generator.normal(size=(30, 6)) + 2 * np.eye(6)[i])
    return tmp_path


def audit(*arguments: str) -> dict[str, Any]:
    names = "image,text,record" if "record-test.npy" in arguments else "image,text"
    files = ("image-test.npy", "text-test.npy", *arguments)
    assert main(["audit", *files, "--names", names, "--resamples", "5", "--out", "out"]) == 0
    report: dict[str, Any] = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return report


def test_it_keeps_what_every_metric_promises() -> None:
    check_metric(MutualNearest())


@pytest.mark.usefixtures("folder")
def test_it_stands_beside_ours_in_every_view(capsys: pytest.CaptureFixture[str]) -> None:
    train = ("--train", "image-train.npy", "text-train.npy", "--posthoc", "shift")
    report = audit("--metrics", "quick", CLASS, *train)
    for arm in report["arms"]:
        assert {"gap", "image_to_text/R@10", "mutual_nearest"} <= arm["metrics"].keys()
        assert "v_measure" not in arm["metrics"]
        found = arm["metrics"]["mutual_nearest"]
        assert 0 < found["low"] <= found["value"] <= found["high"] <= 1
    assert report["metrics"]["mutual_nearest"] == {
        "label": "Mutual nearest",
        "heading": "Agreement",
        "direction": "higher",
        "unit": "percent",
        "meaning": MUTUAL.meaning,
        "key": True,
    }
    assert report["data"]["shift_sweep"]["0.5"]["mutual_nearest"]["value"] > 0
    assert "Mutual nearest ↑" in capsys.readouterr().out
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert re.search(r'scope="rowgroup">Agreement</th>', page)
    assert f"{MUTUAL.meaning} (higher is better)" in page
    assert re.search(r'<option value="mutual_nearest"[^>]*>\s*Mutual nearest', page)


@pytest.mark.usefixtures("folder")
def test_it_may_stand_alone_and_names_its_pair() -> None:
    report = audit("record-test.npy", "--metrics", CLASS)
    pairs = ("image|text", "image|record", "text|record")
    assert list(report["metrics"]) == [f"{pair}:mutual_nearest" for pair in pairs]
    assert "Whether there is a gap was not measured." in Path("out/report.html").read_text(encoding="utf-8")


def test_python_takes_instances() -> None:
    rows = torch.nn.functional.normalize(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)))
    same = closegap.EmbeddingSet({"image": rows, "text": rows}, [str(i) for i in range(20)])
    report = closegap.audit(same, resamples=5, metrics=["quick", MutualNearest()])
    assert report.arms[0].metrics["mutual_nearest"].value == 1
    assert report.figures["mutual_nearest"] == MUTUAL


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("quik", "--metrics quik: expected quick, tasks, all, or the class path of a metric, such as"),
        ("no_such_package.Mine", r"cannot be imported \(No module named 'no_such_package'\)"),
        ("tests.extension.metric.Absent", r"cannot be imported \(module .* has no attribute 'Absent'\)"),
        ("tests.extension.metric.MUTUAL", "is no closegap.metrics.Metric that can be measured"),
        ("closegap.metrics.Metric", "is no closegap.metrics.Metric that can be measured"),
        ("tests.extension.test_metric.Demanding", "missing 1 required positional argument: 'k'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_no_metric_is_one_line(path: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "image-test.npy", "text-test.npy", "--metrics", path, "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert error.startswith(f"closegap: --metrics {path}: ")
    assert re.search(message, error)
    assert not Path("out").exists()


class Demanding(MutualNearest):
    """A metric with a setting that has no default."""

    def __init__(self, k: int) -> None:
        self.k = k
