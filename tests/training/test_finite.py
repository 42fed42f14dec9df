"""Weights are looked at where they are: of a model in parts each process sees its own, and all learn of every one."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tests.distributed.ranks import run_on_ranks
from torch import nn

from closegap.sharding import part, shard
from closegap.training.finite import NonFiniteError, check_weights


class _Masked(nn.Module):
    def __init__(self, weight: float, buffer: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, weight]))
        self.register_buffer("mask", torch.tensor([1.0, buffer]))
        self.register_buffer("seen", torch.tensor(3))


@pytest.mark.parametrize(("weight", "buffer", "name"), [("nan", 0, "weight"), ("inf", 0, "weight"), (0, "nan", "mask")])
def test_what_is_not_finite_is_named(weight: float, buffer: float, name: str) -> None:
    with pytest.raises(NonFiniteError, match=f"^step 4: {name} is not finite any more"):
        check_weights(4, [_Masked(float(weight), float(buffer))])


def test_what_may_be_infinite_or_is_frozen_passes() -> None:
    check_weights(4, [_Masked(0, float("inf")), nn.Identity(), _Masked(float("nan"), 0).requires_grad_(False)])


@dataclass(frozen=True)
class _Parts:
    """A model in parts, of which one process holds a weight that is no number."""

    rank: int

    def __call__(self) -> str:
        layer = nn.Linear(4, 4)
        module = nn.Sequential(layer)
        shard(module)
        check_weights(1, [module])
        if dist.get_rank() == self.rank:
            part(layer.weight.detach()).fill_(float("nan"))
        try:
            check_weights(2, [module])
        except NonFiniteError as error:
            return str(error)
        return ""


@pytest.mark.parametrize("rank", [0, 1])
def test_all_processes_refuse_what_one_of_them_holds(tmp_path: Path, rank: int) -> None:
    for found in run_on_ranks(2, _Parts(rank), tmp_path):
        assert found.startswith("step 2: 0.weight is not finite any more")
