import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import closegap
from closegap.cli.main import main
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.evaluation.audit import audit_arms
from closegap.posthoc import Shift, standard_arms

N, WIDTH = 30, 6


def arrays(seed: int, modalities: int = 2) -> list[np.ndarray]:
    """Noisy views of the same cases, each displaced its own way."""
    cases = np.random.default_rng(0).normal(size=(N, WIDTH))
    random = np.random.default_rng(seed)
    rows = [cases + 0.5 * random.normal(size=(N, WIDTH)) + 2 * np.eye(WIDTH)[i] for i in range(modalities)]
    return [(one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32) for one in rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with test and train arrays and labels in it."""
    monkeypatch.chdir(tmp_path)
    for name, rows in zip(("image", "text", "record"), arrays(1, 3), strict=True):
        np.save(f"{name}.npy", rows)
    for name, rows in zip(("image-train", "text-train"), arrays(2), strict=True):
        np.save(f"{name}.npy", rows)
    Path("organ.txt").write_text("lung\nheart\nbone\n" * (N // 3))
    Path("concepts.txt").write_text("C1;C2\nC2\nC3\n" * (N // 3))
    return tmp_path


def audit(*arguments: str) -> int:
    return main(["audit", *arguments, "--resamples", "10", "--out", "out", "--overwrite"])


def metrics(arm: int = 0) -> dict[str, dict[str, float | None]]:
    report = json.loads(Path("out/report.json").read_text())
    found: dict[str, dict[str, float | None]] = report["arms"][arm]["metrics"]
    return found


@pytest.mark.usefixtures("folder")
def test_writes_the_report_and_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("image.npy", "text.npy", "--labels", "organ.txt") == 0
    found = metrics()
    for name in (
        "gap",
        "cos_null",
        "separability_auc",
        "image_to_text/R@10",
        "mixed/R@10",
        "mixed/ndcg@10",
        "v_measure",
    ):
        low, value, high = (found[name][key] for key in ("low", "value", "high"))
        assert low is not None
        assert value is not None
        assert high is not None
        assert low <= high
    report = json.loads(Path("out/report.json").read_text())
    assert report["schema"] == 2
    assert [item["what"] for item in report["skipped"]] == ["mixed_balanced"]
    assert report["data"]["gallery"] == {"image": N, "text": N}
    assert "Modality gap" in Path("out/report.html").read_text()
    printed = capsys.readouterr().out
    assert "image → text R@10" in printed
    assert "a gap" in printed


@pytest.mark.usefixtures("folder")
def test_every_method_stands_beside_the_original() -> None:
    assert audit("image.npy", "text.npy", "--train", "image-train.npy", "text-train.npy", "--posthoc", "all") == 0
    report = json.loads(Path("out/report.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["original", *(f"original + {name}" for name in standard_arms())]
    gaps = [arm["metrics"]["gap"]["value"] for arm in report["arms"][:2]]
    assert gaps[1] < gaps[0] / 2
    sweep = [report["data"]["shift_sweep"][key]["gap"]["value"] for key in ("0.25", "0.5", "0.75")]
    assert [gaps[0], *sweep, gaps[1]] == sorted([gaps[0], *sweep, gaps[1]], reverse=True)
    assert report["data"]["post_hoc"] == {"fitted_on": N, "in_sample": False}
    page = Path("out/report.html").read_text()
    assert "Does closing the gap pay?" in page
    assert "in-sample" not in page.split("<script")[0]


@pytest.mark.usefixtures("folder")
def test_score_stages_stand_beside_every_arm() -> None:
    train = ("--train", "image-train.npy", "text-train.npy")
    assert audit("image.npy", "text.npy", *train, "--posthoc", "shift", "placebo", "--scores", "all") == 0
    report = json.loads(Path("out/report.json").read_text())
    arms = {arm["name"]: arm["metrics"] for arm in report["arms"]}
    stages = ("standardise", "offset", "zscore", "rank_fusion")
    assert list(arms) == [
        *("original", "original + shift", "original + placebo"),  # a control needs no stage
        *(f"original + {stage}" for stage in stages),
        *(f"original + shift + {stage}" for stage in stages),
    ]
    assert report["data"]["scores"] == {"fitted_on": N, "in_sample": False}
    plain, staged = arms["original"], arms["original + standardise"]
    assert list(plain) == list(staged)
    changed = {name for name in plain if plain[name] != staged[name]}
    assert {"mixed/own_modality_share", "mixed_matched/ratio"} <= changed
    assert all(name.startswith("mixed") for name in changed)
    assert arms["original + shift"]["gap"] == arms["original + shift + standardise"]["gap"]
    assert {"mixed_matched/R@10", "mixed_matched/own_modality_share", "relinkage/R@1", "relinkage/chance"} <= set(plain)
    assert plain["image_to_text/R@10/chance"] == {"value": pytest.approx(10 / N), "low": None, "high": None}


@pytest.mark.usefixtures("folder")
def test_stages_have_a_reference_of_their_own() -> None:
    assert (
        audit("image.npy", "text.npy", "--scores", "standardise", "--reference", "image-train.npy", "text-train.npy")
        == 0
    )
    first = metrics(1)
    assert (
        audit("image.npy", "text.npy", "--scores", "standardise", "--train", "image-train.npy", "text-train.npy") == 0
    )
    assert metrics(1) == first
    assert audit("image.npy", "text.npy", "--scores", "standardise", "--in-sample") == 0
    report = json.loads(Path("out/report.json").read_text())
    assert report["data"]["scores"]["in_sample"] is True
    assert "Score stages were fitted on rows that are judged here" in report["data"]["notes"][0]


@pytest.mark.usefixtures("folder")
def test_in_sample_is_stamped() -> None:
    assert audit("image.npy", "text.npy", "--posthoc", "center", "--in-sample") == 0
    report = json.loads(Path("out/report.json").read_text())
    assert report["data"]["post_hoc"]["in_sample"] is True
    assert "in-sample" in report["data"]["notes"][0]
    assert "fitted in-sample" in Path("out/report.html").read_text()


@pytest.mark.usefixtures("folder")
def test_train_a_and_train_b_are_train() -> None:
    assert audit("image.npy", "text.npy", "--train", "image-train.npy", "text-train.npy", "--posthoc", "shift") == 0
    first = metrics(1)
    pair = ("--train-a", "image-train.npy", "--train-b", "text-train.npy")
    assert audit("image.npy", "text.npy", *pair, "--posthoc", "shift") == 0
    assert metrics(1) == first


@pytest.mark.usefixtures("folder")
def test_three_modalities_names_and_concepts() -> None:
    names = ("--names", "film,words,record")
    assert audit("image.npy", "text.npy", "record.npy", *names, "--relevance", "concepts.txt") == 0
    found = metrics()
    assert {"film|words:gap", "words|record:mixed/ndcg@10", "film|record:mixed_balanced/R@10"} <= set(found)


@pytest.mark.usefixtures("folder")
def test_a_set_of_embeddings_equals_its_arrays() -> None:
    assert audit("image.npy", "text.npy") == 0
    first = metrics()
    rows = {name: torch.from_numpy(np.load(f"{name}.npy")) for name in ("image", "text")}
    EmbeddingSet(rows, [str(i) for i in range(N)]).save(Path("set.safetensors"))
    assert audit("set.safetensors") == 0
    assert metrics() == first


@pytest.mark.usefixtures("folder")
def test_rows_that_are_not_unit_norm_are_normalised_and_told() -> None:
    assert audit("image.npy", "text.npy") == 0
    first = metrics()["gap"]["value"]
    np.save("text.npy", 3 * np.load("text.npy"))
    assert audit("image.npy", "text.npy") == 0
    assert metrics()["gap"]["value"] == pytest.approx(first, abs=1e-5)
    assert f"{N} of {N} rows were not unit-norm" in Path("out/report.html").read_text()


def _nan() -> None:
    rows = np.load("text.npy")
    rows[7, 2] = np.nan
    np.save("text.npy", rows)


def _zero() -> None:
    rows = np.load("text.npy")
    rows[3] = 0
    np.save("text.npy", rows)


def _infinite() -> None:
    rows = np.load("text.npy")
    rows[5, 0] = np.inf
    np.save("text.npy", rows)


def _shorter() -> None:
    np.save("text.npy", np.load("text.npy")[:-1])


def _narrower() -> None:
    np.save("text.npy", np.load("text.npy")[:, :-1])


def test_modalities_of_different_width_are_audited_in_the_space_that_they_share(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("text", "text-train"):
        np.save(f"{name}.npy", np.load(f"{name}.npy")[:, :-1])
    arguments = ["audit", *TWO, *TRAIN, "--posthoc", "shift", "canonical", "--scores", "standardise"]
    assert main([*arguments, "--resamples", "10", "--out", "out"]) == 0
    report = json.loads(Path("out/report.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["original + canonical", "original + canonical + standardise"]
    reasons = {item["what"]: item["reason"] for item in report["skipped"]}
    for arm in ("original", "original + shift", "original + standardise"):
        assert "differ in width (image 6, text 5)" in reasons[f"arm {arm}"]
    out = capsys.readouterr().out
    assert "canonical: " in out
    assert "original + canonical: gap " in out.replace("\n", " ") or "original + canonical: Gap " in out


def _integers() -> None:
    np.save("text.npy", np.ones((N, WIDTH), dtype=np.int64))


def _damaged() -> None:
    Path("text.npy").write_bytes(b"no array")


def _short_labels() -> None:
    Path("organ.txt").write_text("lung\n" * (N - 1))


def _nothing() -> None:
    return None


def _file_in_the_way() -> None:
    Path("out").write_text("mine")


TWO = ("image.npy", "text.npy")
TRAIN = ("--train", "image-train.npy", "text-train.npy")


@pytest.mark.usefixtures("folder")
def test_train_alone_tries_what_is_recommended_each_with_its_control(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(*TWO, *TRAIN, "--metrics", "tasks") == 0
    arms = {arm["name"] for arm in json.loads(Path("out/report.json").read_text())["arms"]}
    assert {"original + canonical", "original + placebo", "original + standardise", "original + offset"} <= arms
    assert "one index" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "message"),
    [
        (_nan, TWO, 1, r"text\.npy: row 7 holds NaN"),
        (_zero, TWO, 1, r"text\.npy: row 3 is zero"),
        (_infinite, TWO, 1, r"text\.npy: row 5 has an infinite norm"),
        (_shorter, TWO, 1, r"text\.npy: 29 rows, expected 30"),
        (
            _narrower,
            TWO,
            1,
            r"differ in width \(image 6, text 5\), so they are not in one space; map them into one first",
        ),
        (_integers, TWO, 1, r"text\.npy: dtype int64; expected float"),
        (_damaged, TWO, 1, r"text\.npy: cannot be read as a \.npy file"),
        (_short_labels, (*TWO, "--labels", "organ.txt"), 1, r"organ\.txt: 29 rows, expected 30"),
        (_nothing, ("image.npy", "absent.npy"), 1, r"absent\.npy: no such file"),
        (_nothing, ("image.npy",), 2, "1 array; a gap needs at least two"),
        (_nothing, ("absent.safetensors",), 1, r"absent\.safetensors: no such file"),
        (_nothing, ("image.npy", "image.npy"), 2, "two modalities are called 'image'"),
        (_nothing, (*TWO, "--names", "image"), 2, "1 names .* for 2 arrays"),
        (_nothing, (*TWO, "--posthoc", "all"), 2, "none were given; give them with --train, or .* --in-sample"),
        (
            _nothing,
            (*TWO, "--posthoc", "magic", *TRAIN),
            2,
            "--posthoc magic: no post-hoc method; expected one of shift",
        ),
        (_nothing, (*TWO, "--reference", *TRAIN[1:]), 2, "--reference is what score stages are fitted on; choose them"),
        (
            _nothing,
            (*TWO, "--scores", "standardise"),
            2,
            "score stages are fitted on reference embeddings and none were",
        ),
        (_nothing, (*TWO, "--posthoc", "all", "--train", *TWO), 2, r"30 of 30 rows were fitted on"),
        (_nothing, (*TWO, "--posthoc", "all", "--train", "image-train.npy"), 2, "1 arrays, expected 2"),
        (_nothing, (*TWO, "--posthoc", "all", "--train-a", "image-train.npy"), 2, "both and nothing else"),
        (_nothing, (*TWO, "--resamples", "0"), 2, "--resamples: 0 given, expected a whole number from 1 to 100000"),
        (_nothing, (*TWO, "--lables", "organ.txt"), 2, "lables.*closegap audit --help"),
        (_file_in_the_way, TWO, 2, "out: is a file; expected a folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[], None],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    prepare()
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    assert main(["audit", "--resamples", "10", *arguments, "--out", "out"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("closegap: ")
    assert re.search(message, lines[0])
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before


def embeddings(seed: int = 1) -> EmbeddingSet:
    rows = {name: torch.from_numpy(values) for name, values in zip(("image", "text"), arrays(seed), strict=True)}
    return EmbeddingSet(rows, [f"{seed}-{i}" for i in range(N)])


def test_python_gives_the_same_report() -> None:
    report = closegap.audit(embeddings(), resamples=10)
    assert [arm.name for arm in report.arms] == ["original"]
    assert report.arms[0].metrics["gap"].value > 0.2
    assert closegap.__version__
    assert closegap.EmbeddingSet is EmbeddingSet


def test_absent_rows_may_be_anything() -> None:
    given = embeddings()
    text = given.embeddings["text"].clone()
    text[4] = torch.nan
    present = {"text": torch.arange(N) != 4}
    report = closegap.audit(
        replace(given, embeddings={**given.embeddings, "text": text}, present=present), resamples=10
    )
    assert report.data["gallery"] == {"image": N, "text": N - 1}
    with pytest.raises(DataError, match=r"text of row 4 \(id '1-4'\) holds NaN"):
        closegap.audit(replace(given, embeddings={**given.embeddings, "text": text}))


def test_a_method_that_cannot_be_fitted_is_left_out_with_its_reason() -> None:
    flat = embeddings(2)
    flat = replace(flat, embeddings={**flat.embeddings, "text": normalize(torch.ones(N, WIDTH), dim=1)})
    found = audit_arms(embeddings(), standard_arms(), flat, resamples=10)
    arms = [arm.name for arm in found.comparison.report.arms]
    assert "original + realign" not in arms
    assert "original + shift" in arms
    skipped = {item.what: item.reason for item in found.comparison.report.skipped}
    assert "all rows of text are equal" in skipped["arm original + realign"]


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="no gap could be measured"):
        closegap.audit(embeddings().select([0]), resamples=10)


def test_a_part_of_the_shift_is_not_swept() -> None:
    found = audit_arms(embeddings(), {"shift": Shift(0.5)}, embeddings(2), resamples=10)
    assert all(line.knobs is None for line in found.frontier)
    with pytest.raises(UsageError, match="rows were fitted on"):
        audit_arms(embeddings(), {"shift": Shift()}, embeddings(), resamples=10)
