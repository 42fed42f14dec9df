"""Studies as a program calls them."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from tests.training.config import write_config

from closegap.errors import DataError, UsageError
from closegap.evaluation.report import Skipped
from closegap.evaluation.runs import judge_runs
from closegap.evaluation.splits import evaluate
from closegap.metrics.standard import standard_metrics
from closegap.posthoc import Center
from closegap.runs.log import Nobody, Watcher
from closegap.studies.evaluate_run import evaluate_run
from closegap.studies.plan import arm_plans
from closegap.studies.study import study
from closegap.training.train import Trained


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))


def _arm(folder: Path, name: str, lr: float) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({"arm": name, "train": {"lr": lr}}), encoding="utf-8")
    return path


def test_arms_are_trained_compared_and_told_of(tmp_path: Path) -> None:
    arms = [_arm(tmp_path, "slow", 1e-4), _arm(tmp_path, "fast", 1e-2)]
    titles: list[str] = []
    told: list[tuple[str, Path | None]] = []

    def watching(title: str) -> AbstractContextManager[Watcher]:
        titles.append(title)
        return nullcontext(Nobody())

    def finished(trained: Trained, page: Path | None) -> None:
        told.append((trained.arm, page))

    config, out = write_config(tmp_path, steps=2), tmp_path / "out"
    found = study(
        [config], arms, out, split="validation", metrics=standard_metrics("quick"), watching=watching, finished=finished
    )
    assert found.page == out / "report.html"
    assert [arm.name for arm in found.comparison.report.arms] == ["slow", "fast"]
    assert found.comparison.baseline == "slow"
    assert titles == ["1/2 slow, seed 0", "2/2 fast, seed 0", "runs judged", "measuring"]
    assert told == [(name, out / f"{name}-seed0" / "report.html") for name in ("slow", "fast")]
    alone = evaluate_run(out / "fast-seed0", "validation", metrics=standard_metrics("quick"))
    assert len(alone.comparisons) == 1
    expected = next(arm for arm in found.comparison.report.arms if arm.name == "fast")
    assert alone.report.arms[0].metrics["gap"].value == expected.metrics["gap"].value


def test_a_split_without_cases_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    config, arm = write_config(tmp_path, steps=2), _arm(tmp_path, "one", 1e-3)
    with pytest.raises(DataError, match="no cases in split 'test'; there are"):
        study([config], [arm], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_runs_of_one_arm_and_seed_are_refused(tmp_path: Path) -> None:
    config, arm = write_config(tmp_path), _arm(tmp_path, "one", 1e-3)
    assert list(arm_plans([config], [arm], [0, 2], Path("out"))) == [Path("out/one-seed0"), Path("out/one-seed2")]
    with pytest.raises(UsageError, match="seed 0 of arm 'one' is there already; give each file of --arms an `arm:`"):
        arm_plans([config], [arm, arm], [0], Path("out"))


def test_arms_are_compared_at_equal_steps_too(tmp_path: Path) -> None:
    """A rate that throws a model off makes an early checkpoint the best one."""
    arms = [_arm(tmp_path, "slow", 1e-3), _arm(tmp_path, "wild", 10.0)]
    config, out = write_config(tmp_path, steps=4), tmp_path / "out"
    every = ["--train.validate_every", "1", "--train.keep", "best"]
    quick = standard_metrics("quick")
    report = study([config], arms, out, split="validation", metrics=quick, overrides=every).comparison.report
    best = {arm: report.data["steps"][arm][0] for arm in ("slow", "wild")}
    assert set(best.values()) != {4}, "no run has another best step than its last"
    assert [arm.name for arm in report.arms] == ["slow", "wild", "slow, last step", "wild, last step"]
    assert report.data["steps"]["slow, last step"] == report.data["steps"]["wild, last step"] == [4]
    assert report.data["compared_with"] == {
        "wild": "slow",
        "slow, last step": "slow",
        "wild, last step": "slow, last step",
    }
    last = ["--train.keep", "last"]
    alone = evaluate_run(out / "wild-seed0", "validation", metrics=quick, overrides=last).report.arms[0]
    assert report.arm("wild, last step").metrics == alone.metrics


def test_post_hoc_methods_are_fitted_on_the_split_that_is_asked_for(tmp_path: Path) -> None:
    arms, config, out = [_arm(tmp_path, "one", 1e-3)], write_config(tmp_path, steps=2), tmp_path / "out"
    quick, run = standard_metrics("quick"), out / "one-seed0"
    study([config], arms, out, split="validation", metrics=quick)
    with pytest.raises(UsageError, match="--fit-on validation: is what the runs are compared on"):
        evaluate_run(run, "validation", metrics=quick, methods={"center": Center()}, fit_on="validation")
    center = Center()
    judge_runs([run], "train", methods={"center": center}, fit_on="validation")
    assert center.fitted is not None
    rows = evaluate(run, "validation").embeddings
    assert len(center.fitted.seen.rows(rows)) == len(rows.ids)


def test_an_arm_that_cannot_be_fitted_is_said_to_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms, out, quick = [_arm(tmp_path, "one", 1e-3)], tmp_path / "out", standard_metrics("quick")

    def refuse(*_: object) -> None:
        raise DataError("there is no way")

    monkeypatch.setattr(Center, "estimate", refuse)
    found = study(
        [write_config(tmp_path, steps=2)],
        arms,
        out,
        seeds=[0, 1],
        split="validation",
        metrics=quick,
        methods={"center": Center()},
    )
    assert [arm.name for arm in found.comparison.report.arms] == ["one"]
    assert found.comparison.report.skipped.count(Skipped("arm one + center", "there is no way")) == 1
