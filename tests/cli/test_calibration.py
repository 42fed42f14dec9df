import json
from pathlib import Path

import pytest
import torch
from tests.calibration.test_calibration import some_set
from tests.cli import tiny
from tests.cli.tiny import Cli
from torch.nn.functional import normalize

import closegap
from closegap.calibration import Calibration
from closegap.embeddings import EmbeddingSet
from closegap.posthoc import Center
from closegap.scores import Offset, Standardise

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
    Offset().fit(some_set(seed=1)).save("stage.safetensors")
    found = cli(
        "scores", "calibrate", "validation.safetensors", "--scores", "stage.safetensors", "--out", "c.safetensors"
    )
    assert (found.code, found.err) == (0, "")
    assert "after Offset" in cli(*EXPLAIN, "--cosine", "0.5").out


def test_a_cosine_alone_says_nothing_after_z_scores(cli: Cli) -> None:
    Standardise().fit(some_set(seed=1)).save("stage.safetensors")
    cli("scores", "calibrate", "validation.safetensors", "--scores", "stage.safetensors", "--out", "c.safetensors")
    refused = cli(*EXPLAIN, "--cosine", "0.5")
    assert refused.code == 2
    assert "Standardise needs all scores of a query" in refused.err


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


def test_sets_that_give_nothing_to_calibrate_on_say_why(cli: Cli) -> None:
    held = some_set(seed=1)
    apart = {"image": torch.arange(90) < 45, "text": torch.arange(90) >= 45}
    sets = {
        "has image alone, expected two modalities": EmbeddingSet({"image": held.embeddings["image"]}, held.ids),
        "no case has two of image, text": EmbeddingSet(held.embeddings, held.ids, apart),
        "queries of 1 group, expected 20 or more": held.select([0]),
    }
    for number, (message, given) in enumerate(sets.items()):
        given.save(f"{number}.safetensors")
        found = cli("scores", "calibrate", f"{number}.safetensors", "--out", "c.safetensors")
        assert (found.code, found.err.count("\n")) == (1, 1)
        assert message in found.err
        assert not Path("c.safetensors").exists()


def test_rows_that_a_method_was_fitted_on_are_told(cli: Cli) -> None:
    held = some_set(seed=1)
    Center().fit(held).apply(held, in_sample=True).save("moved.safetensors")
    found = cli("scores", "calibrate", "moved.safetensors", "--out", "c.safetensors")
    assert (found.code, found.err) == (0, "")
    assert "the calibration promises too much" in " ".join(found.out.split())


def test_an_audit_refuses_what_would_promise_too_much(cli: Cli) -> None:
    command = ("audit", "test.safetensors", "--calibrate", "isotonic", "--metrics", "quick", "--resamples", "20")
    some_set(seed=3).save("train.safetensors")
    moved = (*command, "--train", "train.safetensors", "--posthoc", "center", "--out", "audit")
    refused = cli(*moved)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "90 of 90 rows that calibrations are fitted on are among those that post-hoc methods" in refused.err
    allowed = cli(*moved, "--in-sample", "--out", "in-sample")
    assert (allowed.code, allowed.err) == (0, "")
    assert "Calibrations of post-hoc arms were fitted on rows that the methods were fitted on" in " ".join(
        allowed.out.split()
    )
    held = some_set(seed=1)
    narrow = EmbeddingSet({name: normalize(rows[:, :5], dim=1) for name, rows in held.embeddings.items()}, held.ids)
    narrow.save("narrow.safetensors")
    other = cli(*command, "--reference", "narrow.safetensors", "--out", "audit")
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "--reference: 5 dimensions of image, expected 12 as in what is judged" in other.err
    assert not Path("audit").exists()


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


def test_a_study_of_phantoms_calibrates_every_arm_on_validation(cli: Cli) -> None:
    config = tiny.write(Path("tiny.yaml"), tiny.config(tiny.phantoms(cases=240)))
    arms = [tiny.write(Path(f"{name}.yaml"), {"arm": name}) for name in ("a", "b")]
    given = ("--config", config, "--arms", *arms, "--seeds", "0", "1", "--metrics", "quick", "--out", "study")
    calibrate = ("--calibrate", "logistic", "--reference", "validation")
    found = cli("study", *given, *calibrate, "--posthoc", "center", "--scores", "standardise")
    assert (found.code, found.err) == (0, "")
    report = json.loads(Path("study/report.json").read_text(encoding="utf-8"))
    names = ["a", "b", "a + center", "b + center", "a + standardise", "a + center + standardise"]
    assert set(report["data"]["reliability"]) >= set(names)
    for arm in report["arms"]:
        assert ("image_to_report/coverage" in arm["metrics"]) == (arm["name"] in report["data"]["reliability"])
    for bins in report["data"]["reliability"]["a"].values():
        assert sum(bin["queries"] for bin in bins) == 2 * 48  # two seeds
    assert "Does a stated probability hold?" in Path("study/report.html").read_text(encoding="utf-8")

    run = "study/a-seed0"
    found = cli("compare", run, "study/b-seed0", *calibrate, "--metrics", "quick", "--out", "compared")
    assert (found.code, found.err) == (0, "")
    compared = json.loads(Path("compared/report.json").read_text(encoding="utf-8"))
    found = cli("evaluate", run, *calibrate, "--metrics", "quick", "--out", "a.json")
    assert (found.code, found.err) == (0, "")
    (alone,) = json.loads(Path("a.json").read_text(encoding="utf-8"))["arms"]
    coverage = alone["metrics"]["image_to_report/coverage"]
    assert coverage == compared["arms"][0]["metrics"]["image_to_report/coverage"]
    cli("embed", run, "--split", "validation", "--out", "v.safetensors")
    cli("embed", run, "--split", "test", "--out", "t.safetensors")
    fitted, test = Calibration("logistic").fit(EmbeddingSet.load("v.safetensors")), EmbeddingSet.load("t.safetensors")
    own = (test.embeddings["image"] * test.embeddings["report"]).sum(1)
    inside = own >= fitted.threshold("image", "report", 0.1)
    assert coverage["value"] == pytest.approx(float(inside.double().mean()))

    for reference, why in (("train", "is what the runs were trained on"), ("test", "is what the runs are compared on")):
        found = cli("evaluate", run, "--calibrate", "logistic", "--reference", reference, "--out", "b.json")
        assert (found.code, found.err.count("\n")) == (2, 1)
        assert f"--reference {reference}: {why}" in found.err
    fit_on = ("--posthoc", "center", "--fit-on", "validation")
    found = cli("evaluate", run, *calibrate, *fit_on, "--out", "b.json")
    assert found.code == 2
    assert "fit the methods on another split, as with --fit-on train" in found.err
    assert not Path("b.json").exists()
