import json
from pathlib import Path

import pytest
import yaml
from tests.cli import tiny
from tests.cli.tiny import Cli

from closegap.api.bars import Bars


def test_the_folder_of_a_run_has_everything_that_is_promised(runs: Path) -> None:
    run = runs / "a"
    assert {file.name for file in run.iterdir()} == {
        "config.yaml",
        "environment.json",
        "skipped.csv",
        "metrics.jsonl",
        "checkpoints",
        "embeddings",
        "report.json",
        "report.html",
    }
    written = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert (written["arm"], written["seed"], written["train"]["steps"]) == ("a", 0, 4)
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["seed"] == 0
    assert {"python", "packages", "git", "command"} <= environment.keys()
    assert (run / "skipped.csv").read_text(encoding="utf-8").split() == ["reason,where,message"]
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps[0]["step"] == 0
    assert {"validation/gap", "validation/R@10"} <= steps[0].keys()
    assert [row for row in steps if row["step"] == 4 and "loss" in row]
    assert [folder.name for folder in (run / "checkpoints").iterdir() if folder.name == "step-00000004"]
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["before training", "a"]
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_is_named_at_the_end_and_a_log_gets_no_bars(cli: Cli, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))
    found = cli("train", "--config", config, "--out", tmp_path / "run")
    assert (found.code, found.err) == (0, "")
    assert found.out == f"report: {tmp_path / 'run' / 'report.html'}\n"


def test_later_files_and_options_win_and_unreadable_rows_are_listed(cli: Cli, tmp_path: Path) -> None:
    data = tiny.manifest(tmp_path / "data")
    (tmp_path / "data" / "images" / "03.jpg").unlink()
    config = tiny.write(tmp_path / "c.yaml", tiny.config(data))
    later = tiny.write(tmp_path / "later.yaml", {"arm": "later", "seed": 5, "train": {"steps": 3}})
    skip = ("--checks.on_error", "skip", "--checks.max_skipped", "0.2")
    found = cli("train", "--config", config, "--config", later, "--seed", 7, *skip, "--out", tmp_path / "run")
    assert found.code == 0
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert (written["arm"], written["seed"], written["train"]["steps"]) == ("later", 7, 3)
    assert "image missing,\"cases.csv, line 5, case 'c3'\"," in (tmp_path / "run" / "skipped.csv").read_text(
        encoding="utf-8"
    )


def test_a_run_has_a_place_without_out(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("train", "--config", tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))).code == 0
    assert (tmp_path / "runs" / "tiny-seed0" / "report.html").is_file()


def test_a_run_is_never_written_over(cli: Cli, runs: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (runs / "a").rglob("*")}
    found = cli("train", "--config", runs / "a.yaml", "--out", runs / "a")
    assert found.code == 2
    assert found.err == (
        f"closegap: {runs / 'a'}: already holds config.yaml; go on with `closegap train --resume {runs / 'a'}`, "
        "or choose another --out\n"
    )
    assert {file: file.stat().st_mtime_ns for file in (runs / "a").rglob("*")} == before


def test_resume_ends_where_an_uninterrupted_run_does(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    options = ("--config", config, "--train.checkpoint_every", 2)
    assert cli("train", *options, "--out", whole).code == 0

    def stopped(bars: Bars, step: int, steps: int, terms: object) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bars, "step", stopped)
        assert cli("train", *options, "--out", cut).code == 130
    assert [path.name for path in (cut / "checkpoints").iterdir()] == ["step-00000002"]
    assert cli("train", "--resume", cut).code == 0
    last = Path("checkpoints/step-00000004/model.safetensors")
    assert (cut / last).read_bytes() == (whole / last).read_bytes()
    assert (cut / "report.html").is_file()


@pytest.mark.parametrize("more", [("--seed", "3"), ("--config", "c.yaml"), ("--train.steps=9",)])
def test_resume_stands_alone(cli: Cli, runs: Path, more: tuple[str, ...]) -> None:
    for arguments in (("--resume", runs / "a", *more), (*more, f"--resume={runs / 'a'}")):
        found = cli("train", *arguments)
        assert (found.code, found.err.count("\n")) == (2, 1)
        assert found.err.startswith("closegap: --resume RUN stands alone: a run goes on with its own config")


def test_resume_needs_a_run(cli: Cli, tmp_path: Path) -> None:
    found = cli("train", "--resume", tmp_path)
    advice = f"`closegap train --config FILE --out {tmp_path}` makes one"
    assert (found.code, found.err) == (1, f"closegap: {tmp_path}: not a run folder (no config.yaml); {advice}\n")


def test_an_unknown_selection_metric_leaves_the_folder_free(cli: Cli, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))
    found = cli("train", "--config", config, "--train.select", "R@7", "--out", tmp_path / "run")
    assert found.code == 2
    assert found.err.startswith("closegap: train.select: 'R@7' is not measured on the validation split; there are gap,")
    assert not (tmp_path / "run").exists()
