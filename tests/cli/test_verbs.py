import json
import shutil
import warnings
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml
from PIL import Image
from tests.cli import tiny
from tests.cli.tiny import Cli, Outcome

from closegap.cli import demo, main
from closegap.cli.verbs import VERBS
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapWarning
from closegap.kinds import decoding
from closegap.runs.presets import preset

_METRICS = {
    "gap",
    "cos_true_pairs",
    "cos_null",
    "cos_corrected",
    "rmg",
    "separability_auc",
    *(
        f"{direction}/{name}"
        for direction in ("image_to_report", "report_to_image")
        for name in ("R@1", "R@5", "R@10", "median_rank", "mrr", "map")
    ),
}


def read_report(path: Path) -> dict[str, Any]:
    """A report.json that keeps the public contract."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads(files("closegap.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, schema)
    for arm in report["arms"]:
        assert arm["metrics"].keys() >= _METRICS
        for name, estimate in arm["metrics"].items():
            assert (estimate["low"] is None) == (estimate["high"] is None), name
            if estimate["low"] is not None:
                assert estimate["low"] <= estimate["high"], name
    return report


def test_embed_writes_an_embedding_set(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "test.safetensors"
    found = cli("embed", runs / "a", "--split", "test", "--out", out)
    assert (found.code, found.err) == (0, "")
    assert found.out == f"{out}: 12 rows of image, 12 rows of report\n"
    embeddings = EmbeddingSet.load(out)
    assert embeddings.modalities == ("image", "report")
    assert [tuple(rows.shape) for rows in embeddings.embeddings.values()] == [(12, 8), (12, 8)]
    assert embeddings.meta["arm"] == "a"


def test_embed_takes_a_folder_of_images(cli: Cli, runs: Path, tmp_path: Path) -> None:
    tiny.manifest(tmp_path)
    out = tmp_path / "images.safetensors"
    found = cli("embed", runs / "a", "--images", tmp_path / "images", "--out", out)
    assert (found.code, found.out.splitlines()[-1]) == (0, f"{out}: 40 rows of image")
    embeddings = EmbeddingSet.load(out)
    assert embeddings.modalities == ("image",)
    assert embeddings.ids[:2] == ["00.jpg", "01.jpg"]
    assert cli("embed", runs / "a", "--images", tmp_path / "none", "--out", tmp_path / "none.safetensors").code == 1
    assert not list(tmp_path.glob("*.parts"))


def test_embed_decodes_an_image_once_and_names_one_that_is_broken(
    cli: Cli, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.manifest(tmp_path)
    out, decoded, decode = tmp_path / "images.safetensors", list[str](), decoding._finished

    def counted(image: Image.Image, name: str) -> Image.Image:
        decoded.append(name)
        return decode(image, name)

    monkeypatch.setattr(decoding, "_finished", counted)
    (tmp_path / "images" / "39.jpg").write_bytes(b"no image")
    found = cli("embed", runs / "a", "--images", tmp_path / "images", "--out", out)
    assert (found.code, found.out) == (1, "")
    broken = tmp_path / "images" / "39.jpg"
    line = f"closegap: case '39.jpg': modality 'image': {broken}: not an image that Pillow can read"
    assert found.err.startswith(line)
    assert not out.exists()
    sound = tmp_path / "sound.safetensors"
    left = cli("embed", runs / "a", "--images", tmp_path / "images", "--out", sound, "--checks.on_error", "skip")
    assert left.out.splitlines()[-1] == f"{sound}: 39 rows of image"
    (tmp_path / "images" / "39.jpg").unlink()
    decoded.clear()
    assert cli("embed", runs / "a", "--images", tmp_path / "images", "--out", tmp_path / "b.safetensors").code == 0
    assert sorted(decoded) == sorted(map(str, (tmp_path / "images").iterdir()))


def test_embed_of_fewer_items_at_once_gives_the_same_rows(cli: Cli, runs: Path, tmp_path: Path) -> None:
    rows = []
    for size in ("1", "5", "100"):
        out = tmp_path / f"{size}.safetensors"
        assert cli("embed", runs / "a", "--split", "test", "--out", out, "--batch-size", size).code == 0
        rows.append(EmbeddingSet.load(out).embeddings)
    for name in ("image", "report"):
        torch.testing.assert_close(rows[0][name], rows[2][name])
        torch.testing.assert_close(rows[1][name], rows[2][name])
    for size in ("0", "-3", "x"):
        out = tmp_path / "none.safetensors"
        found = cli("embed", runs / "a", "--split", "test", "--out", out, "--batch-size", size)
        assert found.code == 2
        assert "batch" in found.err
        assert len(found.err.splitlines()) == 1


def test_embed_takes_other_data(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "train.safetensors"
    assert cli("embed", runs / "a", "--data.cases=20", "--split", "train", "--out", out).code == 0
    assert len(EmbeddingSet.load(out).ids) == 14


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--out", "test.npy"), 2, "--out test.npy: expected a file that ends in .safetensors"),
        (
            ("--split", "tset", "--out", "t.safetensors"),
            1,
            "no cases in split 'tset'; there are 'train', 'validation',",
        ),
        ((), 2, "not given: out; see `closegap embed --help`"),
        (("--data.siez", "3", "--out", "t.safetensors"), 2, "data"),
    ],
)
def test_embed_refuses(
    cli: Cli,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cli("embed", runs / "a", *arguments)
    assert (found.code, found.out, found.err.count("\n")) == (code, "", 1)
    assert found.err.startswith(f"closegap: {expected}")
    assert not list(tmp_path.iterdir())


def test_evaluate_writes_the_public_report(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "test.json"
    found = cli("evaluate", runs / "a", "--split", "test", "--out", out)
    assert (found.code, found.err) == (0, "")
    assert found.out.endswith(f"report: {out}\n")
    assert "R@10" in found.out
    report = read_report(out)
    assert [arm["name"] for arm in report["arms"]] == ["a"]
    assert report["data"]["split"] == "test"
    assert report["data"]["gallery"] == {"image": 12, "report": 12}


def test_evaluate_refuses(cli: Cli, runs: Path, tmp_path: Path) -> None:
    found = cli("evaluate", runs / "a", "--out", tmp_path / "test.csv")
    expected = f"closegap: --out {tmp_path / 'test.csv'}: expected a file that ends in .json\n"
    assert (found.code, found.err) == (2, expected)
    found = cli("evaluate", tmp_path, "--out", tmp_path / "test.json")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert found.err.startswith(f"closegap: {tmp_path}: not a run folder (no config.yaml)")
    found = cli("evaluate", runs, "--out", tmp_path / "test.json")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert found.err.startswith(f"closegap: {runs}: the folder of a study, not of a run; name one of its runs: a, b")
    assert not list(tmp_path.iterdir())


def test_compare_pairs_runs(cli: Cli, runs: Path, tmp_path: Path) -> None:
    found = cli("compare", runs / "a", runs / "b", "--out", tmp_path / "out")
    assert (found.code, found.err) == (0, "")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.json", "report.html"}
    report = read_report(tmp_path / "out" / "report.json")
    assert [arm["name"] for arm in report["arms"]] == ["a", "b"]
    assert report["data"]["seeds"] == {"a": [0], "b": [1]}
    assert "a" in found.out
    assert "b" in found.out


def test_compare_puts_posthoc_arms_beside_the_trained_ones(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    methods = ("--posthoc", "shift", "center", "--metrics", "quick")
    found = cli("compare", runs / "a", runs / "b", "--out", out, *methods)
    assert (found.code, found.err) == (0, "")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    arms = {arm["name"]: arm["metrics"] for arm in report["arms"]}
    assert list(arms) == ["a", "b", "a + shift", "a + center", "b + shift", "b + center"]
    assert arms["a + shift"]["gap"]["value"] != arms["a"]["gap"]["value"]
    found = cli("compare", runs / "a", "--out", tmp_path / "train", "--split", "train", *methods)
    assert found.code == 2  # fitted on what is judged
    assert "--fit-on train: is what the runs are compared on; fit on another split" in found.err
    assert not (tmp_path / "train").exists()
    found = cli("evaluate", runs / "a", "--out", tmp_path / "a.json", "--scores", "standardize")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "--scores standardize: no score stage; expected one of" in found.err
    found = cli("evaluate", runs / "a", "--out", tmp_path / "a.json", "--posthoc", "shfit")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "--posthoc shfit: no post-hoc method; expected one of" in found.err


def test_runs_are_measured_with_score_stages_too(cli: Cli, runs: Path, tmp_path: Path) -> None:
    stages = ("--scores", "standardise", "--metrics", "tasks")
    found = cli("compare", runs / "a", runs / "b", "--posthoc", "shift", *stages, "--out", tmp_path / "both")
    assert (found.code, found.err) == (0, "")
    arms = [arm["name"] for arm in json.loads((tmp_path / "both" / "report.json").read_text(encoding="utf-8"))["arms"]]
    staged = ["a + standardise", "a + shift + standardise", "b + standardise", "b + shift + standardise"]
    assert arms == ["a", "b", "a + shift", "b + shift", *staged]
    measured = {}
    for split in ("train", "validation"):
        found = cli("evaluate", runs / "a", *stages, "--reference", split, "--out", tmp_path / f"{split}.json")
        assert (found.code, found.err) == (0, "")
        (plain, with_stage) = json.loads((tmp_path / f"{split}.json").read_text(encoding="utf-8"))["arms"]
        assert (plain["name"], with_stage["name"]) == ("a", "a + standardise")
        assert plain["metrics"]["gap"] == with_stage["metrics"]["gap"]
        measured[split] = with_stage["metrics"]["mixed/own_modality_share"]
    assert measured["train"] != measured["validation"]


def test_compare_refuses(cli: Cli, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for again in (runs / "a", runs / "b" / ".." / "a"):
        found = cli("compare", runs / "a", again, "--out", out)
        assert (found.code, found.err) == (2, "closegap: the same run is given twice; name each run once\n")
    found = cli("compare", runs / "a", runs / "elsewhere", "--out", out)
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        "closegap: runs 'a' (seed 0) and 'elsewhere' (seed 0) were evaluated on different cases; "
        "arms can only be compared on the same split of the same data\n"
    )
    assert not out.exists()


def test_a_study_is_compared_by_its_folder(cli: Cli, runs: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    for name in ("a", "b"):
        shutil.copytree(runs / name, study / name)
    found = cli("compare", study, "--metrics", "quick", "--out", tmp_path / "out")
    assert (found.code, found.err) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["a", "b"]
    found = cli("evaluate", study, "--out", tmp_path / "test.json")
    assert (found.code, found.err) == (
        1,
        f"closegap: {study}: the folder of a study, not of a run; name one of its runs: a, b\n",
    )


def test_what_is_there_is_replaced_on_request_alone(cli: Cli, runs: Path, tmp_path: Path) -> None:
    folder, report, embedded = tmp_path / "out", tmp_path / "test.json", tmp_path / "set.safetensors"
    (folder / "sub").mkdir(parents=True)
    kept = [folder / "report.json", report, embedded]
    for file in kept:
        file.write_text("kept", encoding="utf-8")
    for command, file in (
        (("compare", runs / "a", "--metrics", "quick", "--out", folder), kept[0]),
        (("caption", runs / "a", "--out", folder), kept[0]),
        (("audit", embedded, "--out", folder), kept[0]),
        (("evaluate", runs / "a", "--metrics", "quick", "--out", report), report),
        (("embed", runs / "a", "--out", embedded), embedded),
        (("posthoc", "fit", "--method", "shift", "--train", folder / "t.safetensors", "--out", embedded), embedded),
    ):
        found = cli(*command)
        assert (found.code, found.out) == (2, "")
        assert found.err == f"closegap: {file}: exists; replace it with --overwrite, or choose another --out\n"
    assert [file.read_text(encoding="utf-8") for file in kept] == ["kept"] * 3
    found = cli("embed", runs / "a", "--out", embedded, "--overwrite")
    assert (found.code, found.err) == (0, "")
    assert EmbeddingSet.load(embedded).meta["arm"] == "a"
    found = cli("compare", runs / "a", "--out", report)
    assert (found.code, found.err) == (2, f"closegap: --out {report}: is a file; expected a folder\n")


def test_two_settings_of_one_name_are_not_averaged(cli: Cli, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "a", tmp_path / "copy")
    found = cli("compare", runs / "a", tmp_path / "copy", "--out", tmp_path / "out")
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        f"closegap: {runs / 'a'} and {tmp_path / 'copy'}: both are seed 0 of arm 'a'; "
        f"give one another name (`arm:` in {tmp_path / 'copy' / 'config.yaml'})\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("names", "seeds"), [(("one", "one"), (0,)), (("one", "two"), (0, 1, 0))])
def test_study_refuses_the_same_run_twice(
    cli: Cli, tmp_path: Path, names: tuple[str, ...], seeds: tuple[int, ...]
) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))
    arms = [tiny.write(tmp_path / f"{number}.yaml", {"arm": name}) for number, name in enumerate(names)]
    found = cli("study", "--config", config, "--arms", *arms, "--seeds", *seeds, "--out", tmp_path / "out")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert ": seed 0 of arm 'one' is there already; give each file of --arms an `arm:` of its own" in found.err
    assert not (tmp_path / "out").exists()


def test_study_trains_what_is_missing_and_compares(cli: Cli, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms(), arm=""))
    arms = [
        tiny.write(tmp_path / "one.yaml", {"arm": "One, plain", "loss": {"class_path": "closegap.losses.InfoNCE"}}),
        tiny.write(tmp_path / "two.yaml", {"model": {"dim": 6}}),  # named by its file
    ]
    out = tmp_path / "study"
    command = ("study", "--config", config, "--arms", *arms, "--seeds", 0, 1, "--out", out, "--train.steps", 3)
    found = cli(*command)
    assert (found.code, found.err) == (0, "")
    names = {"one-plain-seed0", "one-plain-seed1", "two-seed0", "two-seed1"}
    assert {file.name for file in out.iterdir()} == names | {"report.json", "report.html"}
    report = read_report(out / "report.json")
    assert report["data"]["seeds"] == {"One, plain": [0, 1], "two": [0, 1]}
    assert report["data"]["seed_spread"].keys() == {"One, plain", "two"}
    assert report["data"]["compared_with"] == {"two": "One, plain"}
    assert "seed_differences" not in report["data"]  # of two seeds
    for name in names:
        written = yaml.safe_load((out / name / "config.yaml").read_text(encoding="utf-8"))
        assert written["train"]["steps"] == 3

    shutil.rmtree(out / "two-seed1")
    weights = {file: file.stat().st_mtime_ns for file in out.rglob("*/checkpoints/*/*")}
    assert cli(*command).code == 0
    assert {file: file.stat().st_mtime_ns for file in weights} == weights
    assert (out / "two-seed1" / "checkpoints" / "step-00000003").is_dir()
    assert read_report(out / "report.json") == report


def test_the_demo(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its own config with fewer and smaller cases, since two processors need minutes for all of it."""
    small = yaml.safe_load(preset("demo.yaml").read_text(encoding="utf-8"))
    small["data"]["init_args"] |= {"cases": 60, "size": 32}
    small["model"]["encoders"]["image"]["init_args"]["size"] = 32
    small["train"]["batch_size"] = 16
    config = tiny.write(tmp_path / "demo.yaml", small)
    monkeypatch.setattr(demo, "preset", lambda name: config if name == "demo.yaml" else preset(name))
    found = cli("demo", "--steps", 2, "--out", tmp_path / "demo")
    assert (found.code, found.err) == (0, "")
    assert found.out.endswith(f"\nLook at {tmp_path / 'demo' / 'report.html'}\n")
    assert "<title>The modality gap, open and closed" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    report = read_report(tmp_path / "demo" / "report.json")
    trained = ["CLIP, learnable temperature", "CLIP, temperature 0.1", "CLIP + ATP + CU"]
    beyond = [f"{trained[-1]} + {name}" for name in ("canonical", "standardise", "canonical + standardise")]
    assert [arm["name"] for arm in report["arms"]] == trained + beyond


@pytest.mark.parametrize("steps", ["0", "-3", "few"])
def test_the_demo_needs_steps(cli: Cli, tmp_path: Path, steps: str) -> None:
    found = cli("demo", f"--steps={steps}", "--out", tmp_path / "demo")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith("closegap: ")
    assert "steps: " in found.err
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"closegap {verb}" in printed.out


def test_closegap_explains_itself(cli: Cli) -> None:
    found = cli("--help")
    assert (found.code, found.err) == (0, "")
    assert all(f"\n  {verb} " in found.out for verb in VERBS)
    assert cli().code == 2
    assert cli("--version").out.count(".") == 2
    found = cli("nonsense")
    expected = f"closegap: no verb 'nonsense'; expected one of {', '.join(VERBS)}\n"
    assert (found.code, found.out, found.err) == (2, "", expected)


def test_a_warning_of_ours_is_one_line_without_a_place_in_the_code(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(arguments: Sequence[str]) -> None:
        del arguments
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("two rows\nstay", ClosegapWarning, stacklevel=1)

    monkeypatch.setattr(demo, "main", warn)
    shown = warnings.showwarning
    assert cli("demo") == Outcome(0, "", "closegap: warning: two rows stay\n")
    assert warnings.showwarning is shown
