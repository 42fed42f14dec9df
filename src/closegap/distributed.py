"""The global batch: every rank's embeddings, with gradient, on every rank.

Beside `sharding`, the only user of torch.distributed.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from closegap.types import Embeddings, Groups, Present


def world_size() -> int:
    """Number of processes that train together; 1 when not distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0; 0 when not distributed."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def leave() -> None:
    """Part from the processes that train together; nothing is gathered after it."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class AllProcesses:
    """The processes that train together, for losses to divide their work among; see `losses.dividing_work`."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return rank()

    @property
    def size(self) -> int:
        """Number of processes."""
        return world_size()

    def sum(self, values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Elementwise sum over the processes, without gradient."""
        return _reduced(values, dist.ReduceOp.SUM)

    def max(self, values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Elementwise maximum over the processes, without gradient."""
        return _reduced(values, dist.ReduceOp.MAX)


def gather_batch(
    embeddings: Embeddings, present: Present, groups: Groups | None = None
) -> tuple[Embeddings, Present, Groups | None]:
    """The global batch, rows in the order of ranks; what was given when not distributed.

    Every rank calls this with the same modalities and any number of rows, none included, and computes its loss on the
    result. The backward pass sums the gradients of all ranks' equal losses, so that the mean over ranks that
    DistributedDataParallel takes is the exact gradient of the global loss.

    Args:
        embeddings: this rank's rows by modality, of one width and dtype.
        present: which of this rank's rows have a modality.
        groups: this rank's groups, of numbers that mean the same on every rank; None on all ranks or on none.

    Returns:
        Embeddings, presence (of the modalities that some row lacks) and groups of the global batch.
    """
    if world_size() == 1:
        return embeddings, present, groups
    rows = torch.stack(list(embeddings.values()), 1)
    masks = [present[name] if name in present else rows.new_ones(len(rows), dtype=torch.bool) for name in embeddings]
    counts = _counts(len(rows), rows.device)
    marks = torch.stack([*masks, *([] if groups is None else [groups])], 1)
    all_rows, all_marks = _Gather.apply(rows, counts), _gathered(marks, counts)
    all_masks = {name: all_marks[:, column].bool() for column, name in enumerate(embeddings)}
    return (
        dict(zip(embeddings, all_rows.unbind(1), strict=True)),
        {name: mask for name, mask in all_masks.items() if not mask.all()},
        None if groups is None else all_marks[:, -1],
    )


def gather_rows(rows: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "total ..."]:
    """All ranks' rows in the order of ranks, without gradient; every rank gives as many."""
    return _gathered(rows.detach(), [len(rows)] * world_size()) if world_size() > 1 else rows


def total(value: Shaped[Tensor, ""]) -> Shaped[Tensor, ""]:
    """The sum of every rank's value, without gradient."""
    summed = value.detach().clone()
    if world_size() > 1:
        dist.all_reduce(summed)
    return summed


class _Gather(torch.autograd.Function):
    """All ranks' rows; backward sums all ranks' gradients and keeps this rank's rows."""

    @staticmethod
    def forward(ctx: Any, rows: Shaped[Tensor, "n ..."], counts: list[int]) -> Shaped[Tensor, "total ..."]:
        ctx.counts = counts
        return _gathered(rows, counts)

    @staticmethod
    def backward(ctx: Any, gradient: Shaped[Tensor, "total ..."]) -> tuple[Shaped[Tensor, "n ..."], None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return torch.split(total, ctx.counts)[rank()], None


def _reduced(values: Shaped[Tensor, "..."], operation: Any) -> Shaped[Tensor, "..."]:
    """The same on every process; what was given when not distributed."""
    if world_size() == 1:
        return values
    total = values.detach().clone()
    dist.all_reduce(total, operation)
    return total


def _counts(n: int, device: torch.device) -> list[int]:
    """Rows of every rank."""
    counts = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([n], device=device))
    return [int(count) for count in torch.cat(counts)]


def _gathered(rows: Shaped[Tensor, "n ..."], counts: list[int]) -> Shaped[Tensor, "total ..."]:
    """All ranks' rows, in the order of ranks: padded to the longest, since collectives want equal shapes, and cut."""
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    received = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(received, padded)
    return torch.cat([part[:count] for part, count in zip(received, counts, strict=True)])
