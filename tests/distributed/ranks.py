"""Real processes that talk over gloo."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from acceptance.forked import Child


def run_on_ranks(world: int, work: Callable[[], Any], folder: Path) -> list[Any]:
    """What `work`, which can be pickled, returns on each of `world` ranks."""
    children = [Child(_rank_main, rank, world, work, folder, seen=folder / f"seen{rank}") for rank in range(world)]
    outcomes = [child.wait() for child in children]
    failed = [str(outcome.answer.get("failed", outcome)) for outcome in outcomes if outcome.code != 0]
    assert not failed, "\n".join(failed)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(world)]


def _rank_main(seen: Path, rank: int, world: int, work: Callable[[], Any], folder: Path) -> dict[str, Any]:
    dist.init_process_group(
        "gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    torch.save(work(), folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
    return {}
