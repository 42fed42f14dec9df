"""Launches over nodes and processes, as documented: a killed one is gone on with by another, and nothing changes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import load_file
from tests.processes import finish, start_ranks
from tests.training.config import write_config
from torch import Tensor

from closegap.runs.checkpoint import checkpoints

STEPS, EPOCH = 60, 12


def _torchrun(*arguments: Any) -> subprocess.Popen[str]:
    """What `torchrun` does with these arguments and `-m closegap train`, one thread a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _final(folder: Path) -> Mapping[str, Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    assert last.name == f"step-{STEPS:08d}"
    return {
        f"{name}/{key}": tensor
        for name in ("model", "loss")
        for key, tensor in load_file(last / f"{name}.safetensors").items()
    }


def _processes(folder: Path) -> int:
    found: int = json.loads((folder / "environment.json").read_text())["processes"]
    return found


def test_two_nodes_of_which_one_is_killed_go_on_as_one_node_and_change_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path, 0.2, steps=STEPS, batch_size=4, checkpoint_every=5, validate_every=STEPS)
    whole, out = tmp_path / "whole", tmp_path / "killed"
    undisturbed = start_ranks(2, "train", "--config", config, "--out", whole, seen=tmp_path / "ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    rendezvous = ("--rdzv_backend", "c10d", "--rdzv_endpoint", endpoint, "--rdzv_id", "pair")
    node = ("--nnodes", 2, "--nproc_per_node", 1, "--local_addr", "127.0.0.1", *rendezvous)
    nodes = [_torchrun(*node, "-m", "closegap", "train", "--config", config, "--out", out) for _ in range(2)]
    while not (saved := checkpoints(out / "checkpoints")) or int(saved[-1].name[-8:]) < EPOCH:
        assert nodes[0].poll() is None, nodes[0].communicate()[0]
        time.sleep(0.01)
    (worker,) = psutil.Process(nodes[1].pid).children()
    worker.send_signal(signal.SIGKILL)
    for launched in nodes:
        launched.communicate(timeout=120)
        assert launched.returncode != 0
    assert _processes(out) == 2
    stopped = int(checkpoints(out / "checkpoints")[-1].name[-8:])
    assert EPOCH < stopped < STEPS
    assert stopped % EPOCH != 0  # in the middle of an epoch

    again = _torchrun("--standalone", "--nproc_per_node", 2, "-m", "closegap", "train", "--resume", out)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    finish(*undisturbed)
    assert _processes(out) == _processes(whole) == 2
    found, expected = _final(out), _final(whole)
    assert found.keys() == expected.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
