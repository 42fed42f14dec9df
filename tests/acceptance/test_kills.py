"""Commands that are killed at each of their changes of files: the older result, the newer, or a refusal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.config import write_config
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.infer.parts import embed_in_parts
from closegap.posthoc import Shift
from closegap.runs.config import parse_run, save_config
from closegap.runs.log import Nobody
from closegap.runs.open import open_run
from closegap.runs.run import build
from closegap.training.trainer import Trainer


def _seen(folder: Path, scenario: str) -> tuple[list[str], list[str]]:
    """What was found after each kill, and in the end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.kills", str(folder), scenario],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CLOSEGAP_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return [after for after, _ in found], [end for _, end in found]


def _set(seed: int) -> EmbeddingSet:
    draw = torch.Generator().manual_seed(seed)
    rows = {name: normalize(torch.randn(6, 4, generator=draw), dim=1) for name in ("image", "text")}
    return EmbeddingSet(rows, [f"{seed}-{row}" for row in range(6)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `before` with an older result."""
    (tmp_path / "before").mkdir()
    _set(9).save(tmp_path / "before" / "out.safetensors")
    return tmp_path


def _assert_whole(after: list[str], end: list[str], least: int) -> None:
    assert len(after) > least
    assert set(end) == {end[-1]}, "the command, given again, ended otherwise than undisturbed, or left something"
    assert set(after) == {after[0], end[-1]}, "neither the older result nor the newer"
    assert after[0] != end[-1] == after[-1]


def test_embedding_over_an_older_set(folder: Path) -> None:
    config = parse_run(["--config", str(write_config(folder, steps=1))])
    save_config(config, folder / "run")
    Trainer(build(config), folder / "run", Nobody()).train()
    after, end = _seen(folder, "embed")
    _assert_whole(after, end, 12)
    embed_in_parts(open_run(folder / "run"), "validation", folder / "alone.safetensors")
    ids = EmbeddingSet.load(folder / "alone.safetensors").ids
    assert end[-1].startswith(str(ids))


def test_applying_a_posthoc_method_over_an_older_set(folder: Path) -> None:
    Shift().fit(_set(1)).save(folder / "map.safetensors")
    _set(2).save(folder / "set.safetensors")
    after, end = _seen(folder, "posthoc")
    _assert_whole(after, end, 6)


def test_writing_shards(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    after, end = _seen(tmp_path, "shard")
    _assert_whole(after, end, 4)
