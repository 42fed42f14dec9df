"""Numbers out of bounds, in configs and as options: refused in one line that names them, before anything starts."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli import tiny
from tests.cli.tiny import Cli


@pytest.mark.parametrize("value", [None, math.nan, -1, 2**64], ids=str)
@pytest.mark.parametrize(
    "path",
    [
        "seed",
        "checks/max_skipped",
        "train/lr",
        "train/betas",
        "train/workers",
        "model/dim",
        "model/encoders/report/init_args/heads",
        "model/encoders/image/init_args/grid",
        "data/init_args/cases",
        "data/init_args/missing",
    ],
)
def test_a_command_refuses_before_anything_starts(cli: Cli, tmp_path: Path, path: str, value: Any) -> None:
    config = yaml.safe_load(yaml.safe_dump(tiny.config(tiny.phantoms())))
    *sections, last = path.split("/")
    place = config
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    found = cli("train", "--config", file, "--out", tmp_path / "out")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith(f"closegap: {path.replace('/init_args', '').replace('/', '.')}: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (("study", "--config", "x.yaml", "--seeds", "0", "-1"), "--seeds: -1 given, expected a whole number from 0"),
        (("shard", "--data", "closegap.phantom.Phantoms", "--seed", "-1"), "seed: -1 given, expected a whole number"),
        (("train", "--train.warmup", "1" * 400), "--train.warmup: a number of over 300 digits"),
        (("demo", "--steps", "0"), "--steps: 0 given, expected a whole number from 1"),
        (("audit", "a.npy", "b.npy", "--resamples", "1000000000"), "--resamples: 1000000000 given, expected a whole"),
        (("caption", "run", "--temperature", "1e300"), "--temperature: 1e+300 given, expected a number from 1e-06"),
        (
            ("posthoc", "fit", "--method", "shift", "--train", "a.safetensors", "--fraction", "7"),
            "--fraction: 7.0 given",
        ),
        (("posthoc", "fit", "--method", "placebo", "--train", "a.safetensors", "--seed", "-1"), "--seed: -1 given"),
    ],
)
def test_options_of_verbs_have_bounds_too(cli: Cli, tmp_path: Path, arguments: Sequence[str], start: str) -> None:
    found = cli(*arguments, "--out", tmp_path / "out")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith(f"closegap: {start}")
    assert not (tmp_path / "out").exists()
