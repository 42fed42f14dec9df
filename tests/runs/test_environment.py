"""What is written of the command line: names, never values."""

import json
from pathlib import Path

import pytest
from tests.cli import tiny

from closegap.cli import main
from closegap.runs.environment import said_of


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], [""]),
        (["/srv/Smith/train.py", "sk-12345"], ["train.py"]),
        (["/a/closegap/__main__.py", "study", "--arms", "Smith.yaml"], ["closegap", "study", "--arms"]),
        (
            ["closegap", "train", "--wandb_token=sk-12345", "--data.root", "https://u:pw@host/x", "--Smith, John"],
            ["closegap", "train", "--wandb_token", "--data.root"],
        ),
        (["closegap", "train", "--data.init_args", "{password: pw}"], ["closegap", "train", "--data.init_args"]),
    ],
)
def test_values_are_left_out(command: list[str], said: list[str]) -> None:
    assert said_of(command) == said


def test_a_run_keeps_no_value_of_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    config = tiny.write(tmp_path / "config.json", tiny.config(tiny.phantoms(20)))
    command = ["train", "--config", str(config), "--out", str(tmp_path / "Smith-John"), "--train.steps=1"]
    monkeypatch.setattr("sys.argv", ["/usr/bin/closegap", *command])
    assert main(command) == 0
    written = (tmp_path / "Smith-John" / "environment.json").read_text(encoding="utf-8")
    assert json.loads(written)["command"] == ["closegap", "train", "--config", "--out", "--train.steps"]
    assert "Smith" not in written
