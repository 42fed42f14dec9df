"""Training, studying, embedding and judging as a notebook calls them."""

import json
from pathlib import Path

import pytest
import torch
from tests.training.config import write_config

import closegap
from closegap.errors import UsageError
from closegap.runs.log import unwatched


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module", autouse=True)
def cache(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOSEGAP_CACHE", str(folder / "cache"))


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    config = json.loads(write_config(folder, steps=3).read_text(encoding="utf-8"))
    found = closegap.train(config, folder / "run", overrides=["--train.steps", "4"], watching=unwatched)
    assert (found.folder, found.page) == (folder / "run", folder / "run" / "report.html")
    assert found.report is not None
    assert [arm.name for arm in found.report.arms] == ["before training", found.arm]
    assert repr(found).startswith(f"{found.arm}, in ")
    assert found._repr_html_().startswith("<table>")
    loaded = closegap.load(found.folder, trusted=_foreign(found.model))
    assert all(torch.equal(a, b) for a, b in zip(found.model.parameters(), loaded.parameters(), strict=True))
    assert not found.model.training
    return found.folder


def _foreign(model: closegap.Model) -> list[str]:
    kinds = (type(model.encoder(name)) for name in model.modalities)
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]


def test_a_finished_run_resumes_to_itself(run: Path) -> None:
    again = closegap.resume(run, watching=unwatched)
    assert again.report is not None
    assert again.folder == run
    with pytest.raises(UsageError, match=r"already holds config\.yaml"):
        closegap.train(run / "config.yaml", run, watching=unwatched)


def test_a_split_is_embedded_in_memory_or_into_a_file(run: Path, tmp_path: Path) -> None:
    here = closegap.embed(run, "validation", watching=unwatched)
    there = closegap.embed(run, "validation", out=tmp_path / "set.safetensors", watching=unwatched)
    assert here.ids == there.ids
    assert all(torch.equal(here.embeddings[name], there.embeddings[name]) for name in here.modalities)


def test_a_run_is_judged_and_compared(run: Path, tmp_path: Path) -> None:
    judged = closegap.evaluate(run, "validation", metrics="quick", out=tmp_path / "found.json", watching=unwatched)
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["schema"] == 2
    compared = closegap.compare([run], tmp_path / "out", split="validation", metrics="quick", watching=unwatched)
    assert compared.arms[0].metrics == judged.arms[0].metrics
    assert (tmp_path / "out" / "report.html").is_file()


def test_arms_of_a_study_are_mappings_or_files(folder: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=2)
    arms = [{"arm": name, "train": {"lr": rate}} for name, rate in (("slow", 1e-4), ("fast", 1e-2))]
    report = closegap.study(
        config, tmp_path / "study", arms=arms, split="validation", metrics="quick", watching=unwatched
    )
    assert [arm.name for arm in report.arms] == ["slow", "fast"]
    assert (tmp_path / "study" / "fast-seed0" / "report.html").is_file()
    with pytest.raises(UsageError, match="seed 0 of arm 'slow' is there already"):
        closegap.study(config, tmp_path / "two", arms=[arms[0], arms[0]], watching=unwatched)
