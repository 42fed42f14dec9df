"""Launches over processes and nodes, as documented: they train, and a killed one ends where another does."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.config import finish, start, write_config
from torch import Tensor

from closegap.runs.checkpoint import checkpoints

STEPS, EPOCH = 60, 12
RUN = ("-m", "torch.distributed.run")
NODE = (*RUN, "--standalone", "--nproc_per_node", 2, "-m", "closegap", "train")


def _final(folder: Path) -> Mapping[str, Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    assert last.name == f"step-{STEPS:08d}"
    return {
        f"{name}/{key}": tensor
        for name in ("model", "loss")
        for key, tensor in load_file(last / f"{name}.safetensors").items()
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    return write_config(folder, dropout=0.2, steps=STEPS, batch_size=4, checkpoint_every=5, validate_every=STEPS)


@pytest.fixture(scope="module")
def whole(config: Path) -> Mapping[str, Tensor]:
    """Final weights of two processes that nothing happened to."""
    finish(start(*NODE, "--config", config, "--out", config.parent / "whole"))
    return _final(config.parent / "whole")


def _differing(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    assert found.keys() == expected.keys()
    return [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)]


def test_a_killed_process_of_two_changes_nothing(config: Path, whole: Mapping[str, Tensor], tmp_path: Path) -> None:
    out = tmp_path / "killed"
    launched = start(*NODE, "--config", config, "--out", out)
    while not (saved := checkpoints(out / "checkpoints")) or int(saved[-1].name[-8:]) < EPOCH:
        assert launched.poll() is None, launched.communicate()[0]
        time.sleep(0.01)
    children = subprocess.run(["pgrep", "-P", str(launched.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(int(children.split()[-1]), signal.SIGKILL)
    launched.communicate(timeout=60)
    assert launched.returncode != 0
    stopped = int(checkpoints(out / "checkpoints")[-1].name[-8:])
    assert EPOCH < stopped < STEPS
    assert stopped % EPOCH != 0  # in the middle of an epoch
    finish(start(*NODE, "--resume", out))
    assert _differing(_final(out), whole) == []


def test_two_nodes_train_what_one_does(config: Path, whole: Mapping[str, Tensor], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rendezvous: tuple[Any, ...] = (
        "--rdzv_backend",
        "c10d",
        "--rdzv_endpoint",
        f"127.0.0.1:{port}",
        "--rdzv_id",
        "pair",
    )
    node = (*RUN, "--nnodes", 2, "--nproc_per_node", 1, "--local_addr", "127.0.0.1", *rendezvous)
    out = tmp_path / "nodes"
    for process in [start(*node, "-m", "closegap", "train", "--config", config, "--out", out) for _ in range(2)]:
        finish(process)
    assert json.loads((out / "environment.json").read_text())["processes"] == 2
    assert _differing(_final(out), whole) == []
