"""Real processes that talk over gloo."""

from collections.abc import Callable
from datetime import timedelta
from multiprocessing import set_forkserver_preload
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes


def run_on_ranks(world: int, work: Callable[[], Any], folder: Path) -> list[Any]:
    """What `work`, a module-level function, returns on each of `world` ranks."""
    set_forkserver_preload([work.__module__])  # torch is imported once for all ranks of all runs
    start_processes(_rank_main, (world, work, folder), nprocs=world, start_method="forkserver")  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(world)]


def _rank_main(rank: int, world: int, work: Callable[[], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    torch.save(work(), folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
