"""closegap audit --model: a model of another library and a data set, in one command."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.models.small_clip import saved_clip
from tests.real import REAL, needs_real

import closegap
from closegap.cli.main import main
from closegap.data import Roco, load_cases
from closegap.search import Query
from closegap.search import open as open_archive


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def audit(*arguments: object) -> int:
    return main(["audit", *map(str, arguments), "--resamples", "10", "--out", "out", "--overwrite"])


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out/report.json").read_text())
    return found


def arms() -> dict[str, dict[str, float]]:
    return {arm["name"]: {name: one["value"] for name, one in arm["metrics"].items()} for arm in report()["arms"]}


PHANTOMS = ("--data", "closegap.phantom.Phantoms", "--data.size", "32")


def test_every_method_and_stage_is_fitted_on_the_train_split(clip: Path) -> None:
    assert audit("--model", f"hf:{clip}", *PHANTOMS, "--data.cases", "40", "--metrics", "quick") == 0
    names = set(arms())
    for method in ("center", "canonical", "procrustes", "shift"):
        assert f"original + {method}" in names
        assert f"original + {method} + standardise" in names
    assert report()["data"]["post_hoc"] == {"fitted_on": 28, "in_sample": False}
    assert report()["data"]["cases"] == 8


def test_what_was_embedded_is_kept_for_the_commands_of_the_verdict(clip: Path) -> None:
    options = (*PHANTOMS, "--data.cases", "40", "--posthoc", "center", "--metrics", "quick", "--keep", "kept")
    assert audit("--model", f"hf:{clip}", *options) == 0
    assert sorted(path.name for path in Path("kept").glob("*.safetensors")) == ["test.safetensors", "train.safetensors"]
    again = ["posthoc", "fit", "--method", "center", "--train", "kept/train.safetensors", "--out", "center.safetensors"]
    assert main(again) == 0
    assert audit("--model", f"hf:{clip}", *options) == 2


def test_what_is_asked_for_is_done_alone(clip: Path) -> None:
    options = ("--split", "validation", "--posthoc", "center", "--metrics", "quick")
    assert audit("--model", f"hf:{clip}", *PHANTOMS, "--data.cases", "60", *options) == 0
    assert list(arms()) == ["original", "original + center"]


def test_without_a_train_split_the_model_is_judged_alone(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--data.cases", "20", "--data.shares", "[0.0, 0.0, 1.0]", "--metrics", "quick")
    assert audit("--model", f"hf:{clip}", *PHANTOMS, *options) == 0
    assert list(arms()) == ["original"]
    assert "no train split beside what is judged" in " ".join(capsys.readouterr().out.split())


def test_a_saved_model_is_audited_too(clip: Path) -> None:
    closegap.load(f"hf:{clip}").save_pretrained("model")
    options = (*PHANTOMS, "--data.cases", "40", "--posthoc", "center", "--metrics", "quick")
    assert audit("--model", f"hf:{clip}", *options) == 0
    own = arms()
    assert audit("--model", "model", *options) == 0
    assert arms() == own


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "nothing to audit: give an array for each modality, a set of embeddings, or --model"),
        (("a.npy", "b.npy", "--data", "closegap.data.Roco"), "--data: goes with --model; add it, or leave this out"),
        (("a.npy", "b.npy", "--data.root", "ROCO"), "--data.root: goes with --model; add it, or leave this out"),
        (("a.npy", "--model", "hf:CLIP"), "--model, a.npy: a model embeds its data itself; leave one of them out"),
        (("--model", "hf:CLIP", "--labels", "l.csv"), "--labels: is of arrays; with --model, the data say it"),
        (("--model", "CLIP", *PHANTOMS), "CLIP: no such folder"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(*arguments) in (1, 2)
    assert line in capsys.readouterr().err


def test_data_are_asked_for(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--model", f"hf:{clip}") == 2
    assert "--data: not given; say where cases come from" in capsys.readouterr().err


def subset(folder: Path, **counts: int) -> Path:
    """The first figures of ROCO-4.6k, in its own layout."""
    for split, count in counts.items():
        there, here = (root / "data" / split / "radiology" for root in (REAL / "roco", folder))
        here.mkdir(parents=True)
        (here / "images").symlink_to(there / "images")
        for name in ("captions.txt", "licences.txt"):
            lines = (there / name).read_text(encoding="utf-8").splitlines(keepends=True)
            (here / name).write_text("".join(lines[: count + (name == "licences.txt")]), encoding="utf-8")
    return folder


@needs_real("roco")
def test_real_figures_and_captions(clip: Path, tmp_path: Path) -> None:
    root = subset(tmp_path / "roco", train=120, test=60)
    data = ("--data", "closegap.data.Roco", "--data.root", root)
    assert (
        audit("--model", f"hf:{clip}", *data, "--metrics", "tasks", "--posthoc", "canonical", "--scores", "zscore") == 0
    )
    cases = load_cases(Roco(root), modalities=["image", "caption"]).split("test")
    items = {name: [case.views[name][0] for case in cases] for name in ("image", "caption")}
    own = closegap.load(f"hf:{clip}").embed(image=items["image"], text=items["caption"])
    groups = [case.group for case in cases]
    expected = closegap.audit(own, groups=groups, metrics="tasks", resamples=10, ids=[case.id for case in cases])
    found = arms()
    assert list(found) == [f"original{arm}" for arm in ("", " + canonical", " + zscore", " + canonical + zscore")]
    for name, estimate in expected.arms[0].metrics.items():
        mine = name.replace("text", "caption")
        assert found["original"][mine] == pytest.approx(estimate.value, abs=1e-5), name


def test_an_archive_of_another_librarys_model_is_called_as_the_data_are(clip: Path) -> None:
    build = ["index", "build", f"hf:{clip}", *PHANTOMS, "--data.cases", "40", "--out", "archive"]
    assert main(build) == 0
    with open_archive("archive") as archive:
        assert list(archive.modalities) == ["image", "report"]
        hits = archive.ask(Query("no mass in the left lung", k=3)).hits
    assert len(hits) == 3
    assert main([*build[:2], f"hf:{clip}x", *build[3:-1], "other"]) == 1
    assert not Path("other").exists()
