"""Cross-entropy of any logits without their n x n matrix: exact, tile by tile, each tile again in the backward pass."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from closegap.losses.processes import Processes, processes
from closegap.losses.tiles import LOG2_E, LOWEST, LogSums, Sums, Tiling
from closegap.types import Groups

Logits = Callable[..., Float[Tensor, "r c"]]
"""Logits of some rows of all queries, some of all of the gallery, and the numbers."""


def tiled_cross_entropy(
    logits: Logits,
    queries: Sequence[Float[Tensor, "n ..."]],
    gallery: Sequence[Float[Tensor, "n ..."]],
    numbers: Sequence[Float[Tensor, ""]],
    positives: Float[Tensor, "n"],
    groups: Groups | None = None,
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """What `pair_cross_entropy` returns of logits(*queries, *gallery, *numbers), in O(n) memory beside theirs.

    Args:
        logits: a function of nothing else that takes gradients.
        queries: what the rows of the matrix are computed from.
        gallery: what its columns are computed from.
        numbers: what all of it is computed from.
        positives: its diagonal.
        groups: rows of one group are not each other's negatives; the true pair always counts.
        tile: rows and columns of a tile; what suits the device by default.
    """
    side = tile or (512 if positives.device.type == "cpu" else 2048)  # several are in memory at once
    own = torch.arange(len(positives), device=positives.device) if groups is None else groups
    sums: Tensor = _LogSums.apply(
        logits, len(queries), len(gallery), own, processes(), side, *queries, *gallery, *numbers
    )
    return softplus(sums - positives).sum() / (2 * max(len(positives), 1))


class _LogSums(torch.autograd.Function):
    """Log-sum-exp of every row and every column, without the pairs of one group."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Logits,
        queries: int,
        gallery: int,
        groups: Groups,
        processes: Processes,
        side: int,
        *inputs: Float[Tensor, "..."],
    ) -> Float[Tensor, "2 n"]:
        ctx.logits, ctx.tiling, ctx.counts = logits, Tiling(len(groups), side, processes), (queries, gallery)
        running = LogSums(len(groups), inputs[0])
        for rows, columns in ctx.tiling.all():
            exponents = logits(*_parts(inputs, rows, columns, *ctx.counts)).mul_(LOG2_E)
            exponents.masked_fill_(groups[rows, None] == groups[None, columns], -torch.inf)
            running.add((rows, columns), _sums(exponents, 1), _sums(exponents, 0))
        sums = running.over(processes) / LOG2_E
        ctx.save_for_backward(groups, sums, *inputs)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "2 n"]) -> tuple[Tensor | None, ...]:
        groups, sums, *inputs = ctx.saved_tensors
        of_sums = gradient * ctx.tiling.processes.size
        gradients = [torch.zeros_like(one) for one in inputs]
        with torch.autocast(groups.device.type, enabled=False):  # also for a caller whose autocast spans its backward
            for rows, columns in ctx.tiling.all():
                parts = [part.detach().requires_grad_() for part in _parts(inputs, rows, columns, *ctx.counts)]
                with torch.enable_grad():
                    values = ctx.logits(*parts)
                weights = (values.detach() - sums[0, rows, None]).exp_().mul_(of_sums[0, rows, None])
                weights += (values.detach() - sums[1, columns]).exp_().mul_(of_sums[1, columns])
                weights.masked_fill_(groups[rows, None] == groups[None, columns], 0.0)
                found = torch.autograd.grad(values, parts, weights)
                for total, part in zip(_parts(gradients, rows, columns, *ctx.counts), found, strict=True):
                    total += part
        return *(None for _ in range(6)), *gradients


def _sums(exponents: Float[Tensor, "r c"], along: int) -> Sums:
    peaks = exponents.amax(along).clamp_(min=LOWEST)
    return peaks, (exponents - peaks.unsqueeze(along)).exp2_().sum(along)


def _parts(inputs: Sequence[Tensor], rows: slice, columns: slice, queries: int, gallery: int) -> list[Tensor]:
    """Some rows of the queries and of the gallery, and the numbers."""
    lines = [rows] * queries + [columns] * gallery
    return [one[part] for one, part in zip(inputs, lines, strict=False)] + list(inputs[len(lines) :])
