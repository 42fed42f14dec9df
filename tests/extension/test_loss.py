"""A loss of an outsider, in one file that touches none of ours: it trains, takes tiles, and divides its work."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli import tiny
from tests.distributed.ranks import run_on_ranks
from tests.extension.loss import FocalSigmoid, focal_sigmoid
from tests.losses.arms import draw
from torch import Tensor
from torch.nn.functional import softplus

from closegap.cli import main
from closegap.distributed import AllProcesses, gather_batch, rank, world_size
from closegap.losses import dividing_work, tiling
from closegap.losses.tiling import TILED_ABOVE
from closegap.testing import check_loss

LARGE = TILED_ABOVE + 300


def test_it_keeps_what_every_loss_promises() -> None:
    check_loss(FocalSigmoid())


def test_it_trains_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    config = tiny.write(tmp_path / "c.yaml", tiny.config(tiny.phantoms()))
    named = ["--loss", "tests.extension.loss.FocalSigmoid", "--loss.init_args.focus", "1.5"]
    assert main(["train", "--config", str(config), *named, "--out", str(tmp_path / "run")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    trained = [row for row in rows if "loss" in row]
    assert trained
    assert all(row["focal"] == row["loss"] > 0 for row in trained)


def results(n: int, groups: bool, share: slice = slice(None)) -> list[Tensor]:
    """Value and gradients of the share's rows, of the temperature and of the bias."""
    given = draw(0, n=n, d=6, m=2, groups=n // 2 if groups else 0)
    rows = {name: one.detach()[share].requires_grad_() for name, one in given.embeddings.items()}
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    loss = FocalSigmoid().double()
    batch = gather_batch(rows, {}, None if given.groups is None else given.groups[share])
    with dividing_work(AllProcesses()):
        value = loss(batch[0], batch[1], tau, 0.0, batch[2])["focal"]
    return [value.detach(), *torch.autograd.grad(value, [*rows.values(), tau, loss.bias])]


@pytest.mark.parametrize("groups", [False, True])
def test_a_large_batch_equals_the_dense_form(groups: bool) -> None:
    found = results(LARGE, groups)
    with tiling(above=LARGE):
        expected = results(LARGE, groups)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_the_dense_form_is_what_it_says() -> None:
    a, b = (rows.detach() for rows in draw(1, n=4, m=2).embeddings.values())
    logits = a @ b.T / 0.5 - 1.0
    signs = 2 * torch.eye(4, dtype=torch.float64) - 1
    expected = ((-signs * logits).sigmoid() ** 2 * softplus(-signs * logits)).sum() / 4
    torch.testing.assert_close(focal_sigmoid(a, b, 0.5, torch.tensor(-1.0), 2.0), expected)


def work() -> dict[bool, list[Any]]:
    """One process's third or two thirds of the batch."""
    share = slice(0, LARGE // 3) if rank() == 0 else slice(LARGE // 3, LARGE)
    return {groups: results(LARGE, groups, share if world_size() > 1 else slice(None)) for groups in (False, True)}


def test_two_processes_equal_one(tmp_path: Path) -> None:
    alone, ranks = work(), run_on_ranks(2, work, tmp_path)
    for groups, (value, first, second, of_tau, of_bias) in alone.items():
        parts = [found[groups] for found in ranks]
        for part in parts:
            torch.testing.assert_close(part[0], value, rtol=1e-11, atol=0)
            torch.testing.assert_close(part[4], of_bias, rtol=1e-11, atol=0)
        for number, expected in ((1, first), (2, second)):
            joined = torch.cat([part[number] for part in parts]) / 2  # the mean that data-parallel training takes
            torch.testing.assert_close(joined, expected, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(sum(part[3] for part in parts) / 2, of_tau, rtol=1e-11, atol=0)
