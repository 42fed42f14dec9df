"""Shards are written from a data set that is named as `train` names it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli import tiny
from tests.cli.tiny import Cli

from closegap.data import Checks, load_cases
from closegap.data.readers.shards import Shards


def _cases(folder: Path) -> list[tuple[str, str, str, Sequence[Any]]]:
    splits = load_cases(Shards(folder), Checks(), ["image", "report"]).splits.values()
    return sorted((case.id, case.split, case.group, case.views["report"]) for split in splits for case in split)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A run's config on a manifest of 40 cases."""
    return tiny.write(tmp_path / "run.yaml", tiny.config(tiny.manifest(tmp_path / "table")))


def test_the_config_of_a_run_names_the_data(cli: Cli, config: Path, tmp_path: Path) -> None:
    found = cli("shard", "--config", config, "--out", tmp_path / "shards")
    assert (found.code, found.err) == (0, "")
    assert found.out == f"{tmp_path / 'shards'}: 40 cases in 1 archives\n"
    rows = tiny.read_rows(tmp_path / "table")
    assert _cases(tmp_path / "shards") == sorted((id, split, group, (text,)) for id, split, group, _, text in rows)


def test_the_command_line_overrides_the_config(cli: Cli, config: Path, tmp_path: Path) -> None:
    rows = tiny.read_rows(tmp_path / "table")[:30]
    (tmp_path / "table" / "cases.csv").rename(tmp_path / "table" / "all.csv")
    tiny.write_rows(tmp_path / "table", rows)
    (tmp_path / "table" / "cases.csv").rename(tmp_path / "table" / "some.csv")
    found = cli("shard", "--config", config, "--data.path", tmp_path / "table" / "some.csv", "--out", tmp_path / "s")
    assert (found.code, found.err) == (0, "")
    assert [id for id, *_ in _cases(tmp_path / "s")] == sorted(row[0] for row in rows)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such file; --config expects a YAML file"),
        (["--data.nope", "1"], "data: closegap.data.Manifest takes no 'nope'; it takes path, modalities, id"),
        (["--data.path", "nowhere.csv"], "nowhere.csv: no such"),
        (["--shard_mib", "0"], "shard_mib: 0 given, expected a whole number from 1 to 2147483647"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, config: Path, tmp_path: Path, more: Sequence[str], message: str) -> None:
    found = cli("shard", "--config", config, *more, "--out", tmp_path / "shards")
    assert (found.code > 0, found.err.count("\n")) == (True, 1)
    assert message in found.err
    assert not (tmp_path / "shards").exists()


def test_without_data_the_config_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    found = cli("shard", "--out", tmp_path / "shards")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "data; name a config that has them with --config FILE" in found.err


def test_what_only_training_needs_is_not_imported(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_for_training.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = tiny.config(tiny.manifest(tmp_path / "table"))
    for key in ("loss", "objective"):
        keys[key] = {"class_path": f"only_for_training.{key.title()}"}
    keys["model"]["head"] = "only_for_training.Head"
    found = cli("shard", "--config", tiny.write(tmp_path / "run.yaml", keys), "--out", tmp_path / "shards")
    assert (found.code, found.err) == (0, "")
    assert "only_for_training" not in sys.modules
