"""closegap's losses in a loop of your own, on as many processes as torchrun starts; alone, on one.

torchrun --nproc-per-node 2 examples/own_loop_ddp.py weights.pt
"""

import os
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from closegap.distributed import gather_batch, rank, world_size
from closegap.losses import GapClosing

CASES, STEPS = 12, 5


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.towers = nn.ModuleDict({"image": nn.Linear(6, 4), "report": nn.Linear(3, 4)})

    def forward(self, items: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: normalize(tower(items[name]), dim=1) for name, tower in self.towers.items()}


def train() -> tuple[list[float], nn.Module]:
    torch.manual_seed(1)
    everything = {"image": torch.randn(CASES, 6), "report": torch.randn(CASES, 3)}
    mine = {name: rows[rank() :: world_size()] for name, rows in everything.items()}  # each process has its own cases
    towers = Towers()
    model = DistributedDataParallel(towers) if world_size() > 1 else towers
    loss, optimizer = GapClosing(), torch.optim.SGD(model.parameters(), lr=0.5)
    values = []
    for step in range(STEPS):
        rows, present, _ = gather_batch(model(mine), {})  # all processes' rows, with gradient: the loss sees the whole
        total = torch.stack(list(loss(rows, present, temperature=0.1, progress=step / STEPS).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    return values, towers


if __name__ == "__main__":
    if "RANK" in os.environ:  # torchrun started us
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    values, towers = train()
    if rank() == 0:
        print(" ".join(f"{value:.4f}" for value in values))
        torch.save({"values": values, "weights": towers.state_dict()}, sys.argv[1])
    if dist.is_initialized():
        dist.destroy_process_group()
