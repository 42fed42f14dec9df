"""From a folder to an answer: archives are built, asked, changed and cleaned from the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from acceptance.indexed import indexed
from acceptance.moments import Moment
from PIL import Image
from tests.cli import tiny
from tests.cli.tiny import Cli
from tests.processes import start

from closegap.embeddings import EmbeddingSet

COUNTS = {"image": 60, "report": 60}


@pytest.fixture(scope="session")
def archive(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the phantoms of a run, that tests only read."""
    from closegap.cli import main

    out = tmp_path_factory.mktemp("archives") / "archive"
    assert main(["index", "build", str(runs / "a"), "--thumbnails", "--out", str(out)]) == 0
    return out


def asked(cli: Cli, archive: Path, *arguments: object) -> dict[str, Any]:
    found = cli("search", archive, *arguments, "--json")
    assert (found.code, found.err) == (0, "")
    answer: dict[str, Any] = json.loads(found.out)
    return answer


def stats(cli: Cli, archive: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("index", "stats", archive, "--json").out)
    return found


def test_a_run_becomes_an_archive_that_is_asked(cli: Cli, archive: Path, tmp_path: Path) -> None:
    told = stats(cli, archive)
    assert told["rows"] == COUNTS
    assert told["model"]
    assert told["source"] == "a"
    assert any(line.startswith("Standardise: validation rows, ") for line in told["fitted_on"])
    words = asked(cli, archive, "--text", "pleural effusion", "-k", 4)
    assert len(words["hits"]) == 4
    assert words["query_modality"] == "report"
    assert all(hit["text"] for hit in words["hits"] if hit["modality"] == "report")
    case = words["hits"][0]["case"]
    again = asked(cli, archive, "--id", case, "--as", "report", "--in", "report", "-k", 3)
    assert case not in [hit["case"] for hit in again["hits"]]
    Image.new("L", (32, 32), 90).save(tmp_path / "query.png")
    seen = asked(cli, archive, "--image", tmp_path / "query.png", "--in", "image", "-k", 2)
    assert [hit["modality"] for hit in seen["hits"]] == ["image", "image"]
    table = cli("search", archive, "--text", "effusion", "-k", 3)
    assert table.code == 0
    assert "probability" in table.out


def test_a_text_of_the_archive_finds_itself(cli: Cli, archive: Path) -> None:
    report = next(hit for hit in asked(cli, archive, "--text", "effusion")["hits"] if hit["modality"] == "report")
    first = asked(cli, archive, "--text", report["text"], "--in", "report", "-k", 1)["hits"][0]
    assert first["cosine"] == pytest.approx(1, abs=1e-4)
    assert first["text"] == report["text"]


def test_parts_filters_quotas_and_the_raw_merge(cli: Cli, archive: Path) -> None:
    parts = asked(cli, archive, "--text", "effusion", "--without-text", "pacemaker")
    assert parts["notes"] == ["several parts: scores and probabilities are those of a question in report"]
    of_test = asked(cli, archive, "--text", "effusion", "--where", "split == 'test'")
    assert {hit["payload"]["split"] for hit in of_test["hits"]} == {"test"}
    few = asked(cli, archive, "--text", "effusion", "--quota", "report=2")
    assert sum(hit["modality"] == "report" for hit in few["hits"]) == 2
    raw = asked(cli, archive, "--text", "effusion", "--raw")
    cosines = [hit["cosine"] for hit in raw["hits"]]
    assert cosines == sorted(cosines, reverse=True)
    assert raw["merge"] == "cosine"


def test_what_is_forgotten_is_gone_from_the_files(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    assert cli("index", "build", runs / "a", "--posthoc", "center", "--out", out).code == 0
    case = asked(cli, out, "--text", "effusion", "--in", "report", "-k", 1)["hits"][0]
    assert cli("index", "delete", out, "--case", case["case"]).out.endswith(
        "2 rows forgotten; `closegap index purge` erases their bytes\n"
    )
    assert stats(cli, out)["unpurged"] > 0
    assert cli("index", "purge", out).code == 0
    assert stats(cli, out)["unpurged"] == 0
    files = b"".join(path.read_bytes() for path in (out / "index").iterdir())
    assert case["text"].encode() not in files
    added = cli("index", "add", out, runs / "a")
    assert (added.code, "2 rows embedded, 60 cases looked at" in added.out) == (0, True)
    assert stats(cli, out)["rows"] == COUNTS


def test_adding_what_is_there_embeds_nothing_and_a_changed_case_alone(cli: Cli, runs: Path, tmp_path: Path) -> None:
    data = tiny.manifest(tmp_path / "data")
    config = tiny.write(tmp_path / "run.yaml", tiny.config(data))
    assert cli("train", "--config", config, "--out", tmp_path / "run").code == 0
    out = tmp_path / "archive"
    assert cli("index", "build", tmp_path / "run", "--out", out).code == 0
    assert "0 rows embedded, 40 cases" in cli("index", "add", out, tmp_path / "run").out
    rows = [list(row) for row in tiny.read_rows(tmp_path / "data")]
    rows[3][4] = "another report"
    tiny.write_rows(tmp_path / "data", rows)
    assert "1 rows embedded, 40 cases" in cli("index", "add", out, tmp_path / "run").out
    rows[5][4] = ""
    tiny.write_rows(tmp_path / "data", rows)
    assert cli("index", "add", out, tmp_path / "run").code == 0
    assert stats(cli, out)["rows"] == {"image": 40, "report": 39}
    pictures = cli("index", "add", out, "--images", tmp_path / "data" / "images")
    assert pictures.code == 0
    assert stats(cli, out)["rows"] == {"image": 80, "report": 39}


def test_new_corrections_need_no_embedding(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    assert cli("index", "build", runs / "a", "--out", out).code == 0
    before = asked(cli, out, "--text", "effusion")
    found = cli("index", "fit", out, "--posthoc", "center", "--scores", "zscore", "--fit-on", "archive")
    assert found.code == 0
    assert "Center: train rows, " in found.out
    assert "ZScore: the archive, 60 cases" in found.out
    after = asked(cli, out, "--text", "effusion")
    assert after["version"] == before["version"] + 1
    assert [hit["score"] for hit in after["hits"]] != [hit["score"] for hit in before["hits"]]


def test_an_embedding_set_is_asked_by_case(cli: Cli, runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "set.safetensors"
    assert cli("embed", runs / "a", "--split", "train", "--out", file).code == 0
    assert cli("index", "build", file, "--out", tmp_path / "archive").code == 0
    case = EmbeddingSet.load(file).ids[0]
    assert asked(cli, tmp_path / "archive", "--id", case)["hits"]
    refused = cli("search", tmp_path / "archive", "--text", "effusion")
    assert refused.code == 2
    assert "without a model; ask by the id of a case" in refused.err


def test_what_would_be_linked_again_is_not_published(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    build = ("index", "build", runs / "a", "--out", out, "--deidentified")
    refused = cli(*build, "--relinkage-limit", "0")
    assert refused.code == 1
    assert refused.out.startswith("re-linked image and report: ")
    assert "by chance 1.67%" in refused.out
    assert "above the limit of 0.0%: nothing is published" in refused.err
    assert not out.exists()
    assert cli(*build, "--relinkage-limit", "0", "--accept-relinkage").code == 0
    assert stats(cli, out)["relinkage_limit"] == 0
    refused = cli("index", "fit", out, "--posthoc", "center")
    assert (refused.code, stats(cli, out)["corrections"]) == (1, 1)
    before = stats(cli, out)["rows"]
    refused = cli("index", "add", out, runs / "elsewhere")
    assert (refused.code, stats(cli, out)["rows"]) == (1, before)
    assert cli("index", "add", out, runs / "elsewhere", "--accept-relinkage").code == 0
    assert stats(cli, out)["rows"] == {"image": 120, "report": 120} or stats(cli, out)["rows"] == COUNTS


def test_a_killed_build_goes_on_to_the_same_archive(cli: Cli, runs: Path, tmp_path: Path) -> None:
    build = ("index", "build", runs / "a", "--posthoc", "center", "--out")
    assert cli(*build, tmp_path / "whole").code == 0
    expected = indexed(tmp_path / "whole" / "index")
    for number in (3, 25, 45):
        killed = start(*build, tmp_path / "again", seen=tmp_path / "seen", moment=Moment(tmp_path, number=number))
        assert killed.wait().code == -9
        assert not (tmp_path / "again").exists()
    assert cli(*build, tmp_path / "again").code == 0
    assert indexed(tmp_path / "again" / "index") == expected
    assert not (tmp_path / "again.parts").exists()
    other = cli("index", "build", runs / "b", "--out", tmp_path / "again")
    assert "exists; replace it with --overwrite" in other.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scores", "nonsense"], "nonsense: no score stage"),
        (["--posthoc", "nonsense"], "nonsense: no post-hoc method"),
    ],
)
def test_what_cannot_be_asked_for_leaves_nothing(
    cli: Cli, runs: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    found = cli("index", "build", runs / "a", "--out", tmp_path / "archive", *options)
    assert found.code in (1, 2)
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.glob("*archive*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fit-on", "none.safetensors"], "none.safetensors: no such file"),
        (["--calibrate", "labels"], "labels"),
        (["--deidentified", "--relinkage-limit", "0"], "nothing is published"),
    ],
)
def test_what_is_refused_after_embedding_keeps_the_rows(
    cli: Cli, runs: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    build = ("index", "build", runs / "a", "--out", tmp_path / "archive")
    found = cli(*build, *options)
    assert found.code == 1
    assert message in found.err
    assert "give the command again" in found.err
    assert found.err.count("\n") == 1
    assert not (tmp_path / "archive").exists()
    assert cli(*build).code == 0
    assert not (tmp_path / "archive.parts").exists()


def test_rows_embedded_before_a_damaged_item_are_kept(cli: Cli, tmp_path: Path) -> None:
    data = tiny.manifest(tmp_path / "data")
    config = tiny.write(tmp_path / "run.yaml", tiny.config(data))
    assert cli("train", "--config", config, "--out", tmp_path / "run").code == 0
    rows = tiny.read_rows(tmp_path / "data")
    for number in range(40, 300):
        name = f"images/{number}.png"
        Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(tmp_path / "data" / name)
        rows.append((f"c{number}", "test", f"p{number}", name, f"cyst of {number} mm"))
    tiny.write_rows(tmp_path / "data", rows)
    image = tmp_path / "data" / "images" / "299.png"
    sound = image.read_bytes()
    image.write_bytes(sound[:40])
    build = ("index", "build", tmp_path / "run", "--out", tmp_path / "archive")
    found = cli(*build)
    assert found.code == 1
    assert "cases.csv, line 301, case 'c299': modality 'image': " in found.err
    assert "mend it and give the command again" in found.err
    shutil.copytree(tmp_path / "archive.parts", tmp_path / "begun")
    image.write_bytes(sound)
    assert cli(*build, "--scores", "nonsense").code == 2
    assert not list(tmp_path.glob("archive*"))
    shutil.move(tmp_path / "begun", tmp_path / "archive.parts")
    assert cli(*build).code == 0
    assert stats(cli, tmp_path / "archive")["rows"]["image"] == 300
    assert not (tmp_path / "archive.parts").exists()


def test_an_archive_of_one_row_is_built_without_what_cannot_be_fitted(cli: Cli, tmp_path: Path) -> None:
    one = EmbeddingSet.from_arrays(image=torch.eye(3)[:1], text=torch.eye(3)[:1])
    one.save(tmp_path / "one.safetensors")
    found = cli("index", "build", tmp_path / "one.safetensors", "--out", tmp_path / "archive")
    assert found.code == 0
    assert "Standardise: none, since" in found.out
    refused = cli(
        "index", "build", tmp_path / "one.safetensors", "--scores", "standardise", "--out", tmp_path / "other"
    )
    assert refused.code == 1
    assert not list(tmp_path.glob("other*"))
    refused = cli("index", "build", tmp_path / "one.safetensors", "--split", "test", "--out", tmp_path / "other")
    assert (refused.code, "leave --data, --images and --split out" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "build", "none", "--out", "out"], "none: no such folder"),
        (["index", "stats", "none"], "none: no archive; build one with"),
        (["index", "nonsense"], "expected one of build, fit, add, delete, purge, stats"),
        (["index", "delete", "none"], "say what is to be forgotten"),
        (["index", "build", "none", "--out", "out", "--accept-relinkage"], "go with --deidentified"),
        (["search", "none", "--text", "a"], "none: no archive"),
        (["search", "none"], "--text, --image, --id: none is given"),
        (["search", "none", "--without-text", "a"], "ask for something"),
        (["search", "none", "--text", "a", "--quota", "image"], "expected a modality and a number"),
    ],
)
def test_bad_input_is_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cli(*arguments)
    assert found.code in (1, 2)
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "a", "--in", "sound"], "modality 'sound' is not in the archive"),
        (["--text", "a", "--where", "age >"], "filter 'age >'"),
        (["--text", "a", "--where", "agee > 3"], "condition on 'agee': no row of the archive knows it; rows know id"),
        (["--text", "a", "--where", "spilt == 'test' or id == 'a'"], "did you mean split?"),
        (["--id", "none"], "no case 'none'"),
        (["--text", ""], "text '': empty; give some words"),
        (["--text", " \n"], "empty; give some words"),
        (["--image", "none.png"], "none.png"),
        (["--image", __file__], "not an image that Pillow can read"),
        (["--text", "a", "-k", "100000"], "from 1 to 10,000"),
    ],
)
def test_bad_questions_are_one_line(cli: Cli, archive: Path, arguments: list[str], message: str) -> None:
    found = cli("search", archive, *arguments)
    assert found.code in (1, 2)
    assert message in found.err
    assert found.err.count("\n") == 1
