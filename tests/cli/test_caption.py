import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.cli import tiny
from tests.cli.tiny import Cli

from closegap.cli import main
from closegap.runs.presets import preset

_DECODER = {
    "class_path": "closegap.caption.PrefixDecoder",
    "init_args": {"prefix": 2, "layers": 1, "width": 16, "heads": 2},
}
_CAPTIONING: dict[str, Any] = {
    "objective": {
        "class_path": "closegap.caption.Captioning",
        "init_args": {"decoder": _DECODER, "text": "report", "vocabulary": 300, "max_tokens": 12},
    },
    "train": {"steps": 3, "batch_size": 8, "select": "log_likelihood"},
}


def _objective(decoder: Any, **options: Any) -> dict[str, Any]:
    given = _CAPTIONING["objective"]
    return {**given, "init_args": {**given["init_args"], "decoder": decoder, **options}}


_BASELINES = ["nearest training caption", "most frequent training caption"]


@pytest.fixture(scope="module")
def studied(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of decoders on two runs, which tests only read."""
    folder = tmp_path_factory.mktemp("captions")
    config = tiny.write(folder / "captioning.yaml", _CAPTIONING)
    command = ["study", "--on", runs / "a", runs / "b", "--config", config, "--out", folder / "study"]
    assert main([*map(str, command), "--search.beams", "1"]) == 0
    return folder / "study"


def read_captions(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["ID", "Caption"]
    return [(row[0], row[1]) for row in rows]


def test_study_trains_decoders_on_runs_and_compares_captions(studied: Path, runs: Path) -> None:
    names = {f"{run}-{arm}-seed{seed}" for run, seed in (("a", 0), ("b", 1)) for arm in ("pairs", "text-alone")}
    assert {path.name for path in studied.iterdir() if path.is_dir()} == names | {"pairs", "text-alone"}
    report = json.loads((studied / "report.json").read_text(encoding="utf-8"))
    arms = [f"{run}: {arm}" for arm in ("pairs", "text alone") for run in "ab"]
    assert [arm["name"] for arm in report["arms"]] == [*arms, *_BASELINES]
    for arm in report["arms"]:
        assert {"bleu-4/plain", "cider/plain", "rouge-1/imageclef", "generated_to_image/R@10"} <= arm["metrics"].keys()
    part = json.loads((studied / "pairs" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in part["arms"]] == ["a: pairs", "b: pairs", *_BASELINES]
    assert part["arms"][0]["metrics"] == report["arms"][0]["metrics"]
    assert "not for diagnosis" in (studied / "pairs" / "report.html").read_text(encoding="utf-8")
    assert len(read_captions(studied / "captions-1-a-pairs-seed0.csv")) == 12


def test_study_on_runs_does_not_train_again(studied: Path, runs: Path, cli: Cli) -> None:
    weights = {file: file.stat().st_mtime_ns for file in studied.rglob("*/checkpoints/*/*")}
    assert weights
    before = (studied / "report.json").read_text(encoding="utf-8")
    config = studied.parent / "captioning.yaml"
    found = cli("study", "--on", runs / "a", runs / "b", "--config", config, "--out", studied, "--search.beams", 1)
    assert (found.code, found.err) == (0, "")
    assert {file: file.stat().st_mtime_ns for file in weights} == weights
    assert (studied / "report.json").read_text(encoding="utf-8") == before
    found = cli("study", "--on", runs / "a", runs / "a", "--config", config, "--out", studied)
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert ": seed 0 of arm 'a: pairs' is there already; name each run once" in found.err


def test_a_study_of_decoders_takes_corrections(studied: Path, runs: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(studied, tmp_path / "study")
    given = ("--config", studied.parent / "captioning.yaml", "--arms", preset("arms/captions-text.yaml"))
    command = (
        "study",
        "--on",
        runs / "a",
        *given,
        "--out",
        tmp_path / "study",
        "--search.beams",
        1,
        "--correct",
        "shift",
    )
    found = cli(*command, "--fit-on", "validation")
    assert (found.code, found.err) == (0, "")
    report = json.loads((tmp_path / "study" / "report.json").read_text(encoding="utf-8"))
    names = ["a: text alone", "a: text alone, shift", *_BASELINES]
    assert [arm["name"] for arm in report["arms"]] == names
    assert report["data"]["compared_with"] == dict.fromkeys(names[1:], names[0])
    found = cli(*command, "--fit-on", "nowhere")
    assert (found.code, found.err) == (
        1,
        "closegap: fit_on: no case in split 'nowhere'; there are train, validation, test\n",
    )
    found = cli("study", *given, "--out", tmp_path / "other", "--correct", "shift")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("closegap: --correct: moves what decoders read; name the runs")


def test_a_split_is_captioned_and_scored(cli: Cli, studied: Path, tmp_path: Path) -> None:
    run, out = studied / "a-text-alone-seed0", tmp_path / "out"
    found = cli("caption", run, "--out", out, "--beams", 2)
    assert (found.code, found.err) == (0, "")
    assert found.out.endswith(f"report: {out / 'report.html'}\n")
    assert {path.name for path in out.iterdir()} == {"captions.csv", "report.html", "report.json"}
    rows = read_captions(out / "captions.csv")
    assert len(rows) == 12
    assert len({id for id, _ in rows}) == 12
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["a: text alone", *_BASELINES]
    assert report["data"]["split"] == "test"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "not for diagnosis" in page
    again = cli("caption", run, "--out", out)
    assert (again.code, again.err) == (
        2,
        f"closegap: {out / 'captions.csv'}: exists; replace it with --overwrite, or choose another --out\n",
    )


def test_a_page_of_captions_without_cases(cli: Cli, studied: Path, tmp_path: Path) -> None:
    run = studied / "a-pairs-seed0"
    assert cli("caption", run, "--beams", 1, "--out", tmp_path / "a", "--no-cases").code == 0
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    captions = read_captions(tmp_path / "a" / "captions.csv")
    assert not [id for id, _ in captions if id in page]
    assert "Images and what is said of them" not in page
    assert "data:image/jpeg" not in page
    report = (tmp_path / "a" / "report.json").read_text(encoding="utf-8")
    assert json.loads(report)["data"]["runs"]["a: pairs"] == ["a-pairs-seed0"]
    assert str(tmp_path.parent) not in report


def test_a_decoder_reads_the_captions_that_are_nearest(cli: Cli, studied: Path, runs: Path, tmp_path: Path) -> None:
    arm = tiny.write(tmp_path / "arm.yaml", {"objective": {"init_args": {"condition": "text", "neighbours": 2}}})
    given = (
        "--config",
        studied.parent / "captioning.yaml",
        "--config",
        arm,
        "--objective.init_args.model_from",
        runs / "a",
    )
    assert cli("train", "--config", runs / "a" / "config.yaml", *given, "--out", tmp_path / "run").code == 0
    command = ("caption", tmp_path / "run", "--correct", "match_moments", "canonical", "--beams", 1)
    found = cli(*command, "--out", tmp_path / "out")
    assert (found.code, found.err) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]][1:3] == ["a, match_moments", "a, canonical"]
    (tmp_path / "run" / "neighbours.safetensors").unlink()
    found = cli(*command, "--out", tmp_path / "gone")
    assert (found.code, found.out) == (1, "")
    assert re.fullmatch(r"closegap: .*neighbours\.safetensors: no such file\n", found.err)


def test_corrections_stand_beside(cli: Cli, studied: Path, tmp_path: Path) -> None:
    found = cli("caption", studied / "a-text-alone-seed0", "--correct", "shift", "realign", "--out", tmp_path / "out")
    assert (found.code, found.err) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    names = ["a: text alone", "a: text alone, shift", "a: text alone, realign"]
    assert report["data"]["compared_with"] == dict.fromkeys([*names[1:], *_BASELINES], names[0])
    assert "seeds" not in report["data"]
    assert [arm["name"] for arm in report["arms"]] == [*names, *_BASELINES]
    tables = {path.name for path in (tmp_path / "out").glob("*.csv")}
    run = "a-text-alone-seed0"
    assert tables == {f"captions-1-{run}.csv", f"captions-2-{run}-shift.csv", f"captions-3-{run}-realign.csv"}
    found = cli("caption", studied / "a-text-alone-seed0", "--correct", "centre", "--out", tmp_path / "other")
    assert (found.code, found.out) == (2, "")
    assert re.match(
        r"closegap: centre: no post-hoc method with an anchor.* shift, realign, match_moments, procrustes, canonical,",
        found.err,
    )
    assert not (tmp_path / "other").exists()


def test_the_same_seed_draws_the_same_captions(cli: Cli, studied: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        options = ("--beams", 1, "--top_p", 0.9, "--seed", seed, "--out", tmp_path / name)
        assert cli("caption", studied / "a-pairs-seed0", *options).code == 0
    texts = [read_captions(tmp_path / name / "captions.csv") for name in ("one", "two", "three")]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.filterwarnings("always::closegap.errors.ClosegapWarning")
def test_a_folder_and_a_table_of_images(cli: Cli, studied: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.new("L", (40, 30), 60 * number).save(images / f"scan-{number}.png")
    (images / "notes.txt").write_text("not an image", encoding="utf-8")
    run = studied / "a-pairs-seed0"
    found = cli("caption", run, "--images", images, "--out", tmp_path / "a")
    warning = f"closegap: warning: {images}: left out what is no image by its name: 1 .txt\n"
    assert (found.code, found.err) == (0, warning)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"captions.csv", "report.html"}
    rows = read_captions(tmp_path / "a" / "captions.csv")
    assert [id for id, _ in rows] == ["scan-0", "scan-1", "scan-2"]

    lines = ["ID,image,caption", *(f"i{n},images/scan-{n}.png,a mass of {n} mm" for n in range(3))]
    (tmp_path / "cases.csv").write_text("\n".join(lines), encoding="utf-8")
    found = cli("caption", run, "--manifest", tmp_path / "cases.csv", "--out", tmp_path / "b")
    assert (found.code, found.err) == (0, "")
    assert [text for _, text in read_captions(tmp_path / "b" / "captions.csv")] == [text for _, text in rows]
    assert (tmp_path / "b" / "report.json").is_file()


def test_evaluate_scores_captions_of_a_run_with_a_decoder(cli: Cli, studied: Path, tmp_path: Path) -> None:
    out = tmp_path / "test.json"
    found = cli("evaluate", studied / "a-pairs-seed0", "--out", out, "--metrics", "quick")
    assert (found.code, found.err) == (0, "")
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["a: pairs", *_BASELINES]
    assert {"gap", "image_to_report/R@10", "cider/plain"} <= report["arms"][0]["metrics"].keys()


def test_a_run_with_joint_training_reports_both(cli: Cli, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms(), objective=_CAPTIONING["objective"]))
    found = cli("train", "--config", config, "--out", tmp_path / "run")
    assert (found.code, found.err) == (0, "")
    assert f"write captions with `closegap caption {tmp_path / 'run'} --out DIR`" in found.out
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["before training", "tiny"]


def test_what_cannot_be_captioned_is_refused(cli: Cli, runs: Path, studied: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "out", studied / "a-pairs-seed0"
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-image.csv").write_text("id,picture\na,b\n", encoding="utf-8")
    (tmp_path / "gone.csv").write_text("id,image\na,b.png\n", encoding="utf-8")
    shutil.copytree(run, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "tokenizer")
    cases = [
        ((runs / "a",), 2, f"{runs / 'a'}: the run has no decoder; train one on it with"),
        ((run, "--images", tmp_path / "empty"), 1, f"{tmp_path / 'empty'}: holds no image; expected files such as"),
        ((run, "--images", tmp_path / "nowhere"), 1, f"{tmp_path / 'nowhere'}: no such folder"),
        ((run, "--manifest", tmp_path / "no-image.csv"), 1, f"{tmp_path / 'no-image.csv'}: no column 'image'; it has"),
        ((run, "--manifest", tmp_path / "gone.csv"), 1, "b.png: no such image"),
        ((run, "--split", "tset"), 1, "no case with 'image' in split 'tset'; there are train, validation, test"),
        ((run, "--split", "test", "--images", tmp_path), 2, "--split and --images are both given"),
        ((run, "--beams", 0), 2, "--beams: 0 given, expected a whole number from 1 to 1000"),
        ((run, "--max_tokens", 40), 2, "max_tokens: 40 given, the decoder learned captions of 12 at most"),
        ((tmp_path / "bare",), 1, f"{tmp_path / 'bare' / 'tokenizer'}: no tokenizer.json"),
        ((run, "--objective.decoder.init_args.width", 32), 1, "checkpoint of another decoder"),
    ]
    for arguments, code, message in cases:
        found = cli("caption", *arguments, "--out", out)
        assert (found.code, found.err.count("\n")) == (code, 1), (arguments, found)
        assert message in found.err, found.err
        assert not out.exists()


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (
            {"class_path": "closegap.caption.Nope"},
            "objective.decoder: class_path 'closegap.caption.Nope' cannot be imported",
        ),
        (
            {"class_path": "closegap.caption.PrefixDecoder", "init_args": {"widht": 3}},
            "objective.decoder: closegap.caption.PrefixDecoder takes no 'widht'; it takes features, tokenizer, name,",
        ),
        (
            {"class_path": "closegap.models.MLPHead"},
            "objective.decoder: class_path 'closegap.models.MLPHead' is no CaptionDecoder",
        ),
    ],
)
def test_a_decoder_that_is_none_is_refused(cli: Cli, tmp_path: Path, decoder: Any, message: str) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms(), objective=_objective(decoder)))
    found = cli("train", "--config", config, "--out", tmp_path / "run")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith(f"closegap: {message}")
    assert not (tmp_path / "run").exists()


def test_tokens_without_a_cache_are_refused_as_in_training(
    cli: Cli, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = {
        "class_path": "closegap.caption.CrossAttentionDecoder",
        "init_args": {"layers": 1, "width": 16, "heads": 2},
    }
    objective = _objective(decoder, model_from=str(runs / "a"))
    config = tiny.write(tmp_path / "captioning.yaml", _CAPTIONING | {"objective": objective})
    run = tmp_path / "run"
    assert cli("train", "--config", runs / "a.yaml", "--config", config, "--out", run).code == 0
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    found = cli("caption", run, "--train.cache_features", "false", "--out", tmp_path / "out")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "reads image tokens needs a frozen image tower and train.cache_features: true" in found.err
    assert not (tmp_path / "cache" / "features").exists()
    assert cli("caption", run, "--beams", 1, "--out", tmp_path / "out").code == 0
    assert (tmp_path / "cache" / "features").is_dir()
