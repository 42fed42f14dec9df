from pathlib import Path

import pytest
import torch
from tests.calibration.test_calibration import some_set
from tests.cli.tiny import Cli

import closegap
from closegap.calibration import Calibration
from closegap.scores import Standardise

EXPLAIN = ("scores", "explain", "c.safetensors", "--query", "image", "--target", "text")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with sets in it."""
    monkeypatch.chdir(tmp_path)
    some_set(seed=1).save("validation.safetensors")
    some_set(seed=2).save("test.safetensors")
    return tmp_path


def test_a_calibration_is_fitted_and_asked(cli: Cli) -> None:
    found = cli("scores", "calibrate", "validation.safetensors", "--method", "logistic", "--out", "c.safetensors")
    assert (found.code, found.err) == (0, "")
    assert "image to text: 90 of 8,100 couples are relevant, of 90 queries in 90 groups" in found.out
    assert "c.safetensors: logistic, by pairs" in found.out
    calibration = Calibration.load("c.safetensors")
    told = cli(*EXPLAIN, "--cosine", "0.9")
    assert (told.code, told.err) == (0, "")
    probability = calibration.probability(torch.tensor(0.9), "image", "text").item()
    assert f"its counterpart: {probability:.3g} among 90 candidates, 0.0111 before" in " ".join(told.out.split())
    assert "an answer (scores from" in told.out
    assert "not an answer" in cli(*EXPLAIN, "--cosine", "-0.9").out
    assert "among 9,000 candidates, 0.000111" in " ".join(
        cli(*EXPLAIN, "--cosine", "0.9", "--candidates", "9000").out.split()
    )


def test_it_is_fitted_after_a_stage(cli: Cli) -> None:
    Standardise(1.0).fit(some_set(seed=1)).save("stage.safetensors")
    found = cli(
        "scores", "calibrate", "validation.safetensors", "--scores", "stage.safetensors", "--out", "c.safetensors"
    )
    assert (found.code, found.err) == (0, "")
    assert "after Standardise" in cli(*EXPLAIN, "--cosine", "0.5").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("calibrate", "none.safetensors", "--out", "c.safetensors"), "none.safetensors"),
        (("calibrate", "validation.safetensors", "--out", "c.json"), "expected a file that ends in .safetensors"),
        (("calibrate", "validation.safetensors", "--out", "validation.safetensors"), "is also what is read"),
        (
            (
                "calibrate",
                "validation.safetensors",
                "--relevance",
                "labels",
                "--label",
                "age",
                "--out",
                "c.safetensors",
            ),
            "the set has organ",
        ),
        (("explain", "validation.safetensors", "--query", "image", "--target", "text", "--cosine", "0"), "calibration"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    found = cli("scores", *arguments)
    assert found.code in (1, 2)
    assert message in " ".join(found.err.split())
    assert not Path("c.safetensors").exists()


def test_an_audit_calibrates_each_arm_on_other_rows(cli: Cli) -> None:
    command = ("audit", "test.safetensors", "--calibrate", "isotonic", "--metrics", "quick", "--resamples", "20")
    refused = cli(*command, "--out", "audit")
    assert refused.code == 2
    assert "--reference or --train" in " ".join(refused.err.split())
    same = cli(*command, "--reference", "test.safetensors", "--out", "audit")
    assert same.code == 2
    assert "90 of 90 rows are among those that the calibration is fitted on" in " ".join(same.err.split())
    assert not Path("audit").exists()
    found = cli(*command, "--reference", "validation.safetensors", "--scores", "standardise", "--out", "audit")
    assert (found.code, found.err) == (0, "")
    assert "Coverage" in found.out
    assert "Does a stated probability hold?" in Path("audit/report.html").read_text()
    report = closegap.audit(
        "test.safetensors",
        reference="validation.safetensors",
        scores="standardise",
        calibrate="isotonic",
        metrics="quick",
        resamples=20,
    )
    assert set(report.data["reliability"]) == {"original", "original + standardise"}
    for arm in report.arms:
        assert arm.metrics["image_to_text/coverage"].value > 0.7
        for bins in report.data["reliability"][arm.name].values():
            assert sum(bin["queries"] for bin in bins) == 90
