"""Any function of all pairs of rows, summed over the negatives: dense for few rows, tile by tile for many.

An author writes the entries of the matrix once. In tiles they are computed again for the gradient, a tile at a time, so
that memory grows with n and not with n^2, and the tiles are divided among the processes that compute the loss together.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

from closegap.errors import UsageError
from closegap.losses.precision import raised
from closegap.losses.tiles import LOG2_E, LOWEST, LogSums, Sums
from closegap.losses.tiling import Tile, Tiling, takes_tiles
from closegap.types import Groups

Entries = Callable[..., Float[Tensor, "r c"]]
"""The entries of some rows and columns: of those rows of each of `queries`, those of each of `gallery`, `numbers`."""

Inputs = Sequence[Shaped[Tensor, "..."]]


def sum_over_negatives(
    entries: Entries,
    queries: Sequence[Shaped[Tensor, "n ..."]],
    gallery: Sequence[Shaped[Tensor, "n ..."]],
    numbers: Sequence[float | Float[Tensor, "..."]] = (),
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """Sum of the entries m_ij over the negatives, i != j of different groups; differentiable once where in tiles.

    Args:
        entries: m_ij of some rows and columns, a function of its arguments alone: what takes a gradient, a parameter
            of the loss too, is among `numbers`.
        queries: what row i is computed from: embeddings, and whatever else has an entry per case.
        gallery: what column j is computed from.
        numbers: what all entries are computed from: a temperature, a bias. Their gradient is exact on every process.
        groups: pairs of one group are left out.

    Returns:
        The sum; 0, with a gradient of 0, where there is no negative.

    Raises:
        UsageError: entries of another shape, or that take gradients of what is not among the arguments.

    Example:
        >>> import torch
        >>> hinge = lambda a, b, margin: (a @ b.T + margin).clamp(min=0)
        >>> sum_over_negatives(hinge, [torch.eye(3)], [torch.eye(3)], [0.5]).item()  # six pairs of 0.5
        3.0
    """
    inputs, counts, own = _prepared(entries, queries, gallery, numbers, groups)
    with torch.autocast(own.device.type, enabled=False):
        if takes_tiles(len(own)):
            total: Tensor = _Sum.apply(entries, counts, own, *inputs)
            return total
        return entries(*inputs).masked_fill(_alike(own), 0.0).sum()


def logsumexp_over_negatives(
    entries: Entries,
    queries: Sequence[Shaped[Tensor, "n ..."]],
    gallery: Sequence[Shaped[Tensor, "n ..."]],
    numbers: Sequence[float | Float[Tensor, "..."]] = (),
    groups: Groups | None = None,
) -> Float[Tensor, "2 n"]:
    """Log sum_j exp m_ij of every row and log sum_i exp m_ij of every column, over the negatives.

    softplus(these - positives) are the cross-entropies of telling the true pair, rows first.

    Args:
        entries: see `sum_over_negatives`.
        queries: see `sum_over_negatives`.
        gallery: see `sum_over_negatives`.
        numbers: see `sum_over_negatives`.
        groups: pairs of one group are left out.

    Returns:
        Rows, then columns; minus infinity, with a gradient of 0, where there is no negative.

    Raises:
        UsageError: entries of another shape, or that take gradients of what is not among the arguments.

    Example:
        >>> import torch
        >>> sums = logsumexp_over_negatives(lambda a, b: a @ b.T, [torch.eye(3)], [torch.eye(3)])
        >>> sums.exp().round(decimals=2).tolist()  # two negatives of exp(0)
        [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """
    inputs, counts, own = _prepared(entries, queries, gallery, numbers, groups)
    with torch.autocast(own.device.type, enabled=False):
        if takes_tiles(len(own)):
            sums: Tensor = _LogSumExp.apply(entries, counts, own, *inputs)
            return sums
        negatives = entries(*inputs).masked_fill(_alike(own), -torch.inf)
        return torch.stack([negatives.logsumexp(1), negatives.logsumexp(0)])


class _Sum(torch.autograd.Function):
    """The sum, whose gradients are taken in the same pass: a sum knows the weight of a tile, 1, before the others."""

    @staticmethod
    def forward(
        ctx: Any, entries: Entries, counts: tuple[int, int], own: Groups, *inputs: Shaped[Tensor, "..."]
    ) -> Float[Tensor, ""]:
        tiling, needed = _tiling(own), ctx.needs_input_grad[3:]
        gradients = [torch.zeros_like(one) if wanted else None for one, wanted in zip(inputs, needed, strict=True)]
        total = inputs[0].new_zeros(())
        for tile in tiling.all():
            parts, values = _computed(entries, inputs, tile, counts, needed)
            with torch.set_grad_enabled(values.requires_grad):
                value = values.masked_fill(_alike(own, tile), 0.0).sum()
            total += value.detach()
            _add(gradients, tile, counts, parts, value, None)
        total = tiling.processes.sum(total)
        size = tiling.processes.size
        for number, gradient in enumerate(gradients):
            if gradient is not None and number < sum(counts):
                gradient.mul_(size)
            elif gradient is not None:
                gradients[number] = tiling.processes.sum(gradient)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        return None, None, None, *(None if one is None else one * gradient for one in ctx.saved_tensors)


class _LogSumExp(torch.autograd.Function):
    """Log-sum-exp of rows and columns; the weights of a tile are known after the last one, so tiles come twice."""

    @staticmethod
    def forward(
        ctx: Any, entries: Entries, counts: tuple[int, int], own: Groups, *inputs: Shaped[Tensor, "..."]
    ) -> Float[Tensor, "2 n"]:
        ctx.entries, ctx.counts, ctx.tiling = entries, counts, _tiling(own)
        running = LogSums(len(own), inputs[0])
        for tile in ctx.tiling.all():
            exponents = entries(*_parts(inputs, tile, counts)) * LOG2_E
            exponents.masked_fill_(_alike(own, tile), -torch.inf)
            running.add(tile, _sums(exponents, 1), _sums(exponents, 0))
        sums = running.over(ctx.tiling.processes) / LOG2_E
        ctx.save_for_backward(own, sums, *inputs)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "2 n"]) -> tuple[Tensor | None, ...]:
        own, sums, *inputs = ctx.saved_tensors
        processes, needed = ctx.tiling.processes, ctx.needs_input_grad[3:]
        of_sums = gradient * processes.size
        gradients = [torch.zeros_like(one) if wanted else None for one, wanted in zip(inputs, needed, strict=True)]
        with torch.autocast(own.device.type, enabled=False):  # also for a caller whose autocast spans its backward
            for tile in ctx.tiling.all():
                rows, columns = tile
                parts, values = _computed(ctx.entries, inputs, tile, ctx.counts, needed)
                weights = (values.detach() - sums[0, rows, None]).exp_().mul_(of_sums[0, rows, None])
                weights += (values.detach() - sums[1, columns]).exp_().mul_(of_sums[1, columns])
                weights.masked_fill_(_alike(own, tile), 0.0)
                _add(gradients, tile, ctx.counts, parts, values, weights)
        for number in range(sum(ctx.counts), len(inputs)):
            found = gradients[number]
            if found is not None:  # a parameter of the loss itself, of which no one else takes a mean over processes
                gradients[number] = processes.sum(found) / processes.size
        return None, None, None, *gradients


def _prepared(
    entries: Entries, queries: Inputs, gallery: Inputs, numbers: Sequence[float | Tensor], groups: Groups | None
) -> tuple[list[Tensor], tuple[int, int], Groups]:
    """All inputs in full precision, how many are queries and gallery, and a group of every row."""
    rows = [raised(one) for one in (*queries, *gallery)]
    like = rows[0]
    inputs = [*rows, *(torch.as_tensor(one, dtype=like.dtype, device=like.device) for one in numbers)]
    counts = len(queries), len(gallery)
    with torch.autocast(like.device.type, enabled=False), torch.enable_grad():
        none = entries(*(part.detach() for part in _parts(inputs, (slice(0), slice(0)), counts)))
    if none.shape != (0, 0):
        raise UsageError(f"entries of no rows and no columns have shape {tuple(none.shape)}, expected (0, 0)")
    if none.requires_grad:  # in tiles that gradient would be lost
        raise UsageError("entries take gradients of a tensor that is not among their arguments; add it to `numbers`")
    return inputs, counts, torch.arange(len(like), device=like.device) if groups is None else groups


def _tiling(own: Groups) -> Tiling:
    return Tiling(len(own), 512 if own.device.type == "cpu" else 2048)  # several tiles are in memory at once


def _alike(own: Groups, tile: Tile = (slice(None), slice(None))) -> Bool[Tensor, "r c"]:
    """Pairs of one group."""
    rows, columns = tile
    return own[rows, None] == own[None, columns]


def _computed(
    entries: Entries, inputs: Inputs, tile: Tile, counts: tuple[int, int], needed: Sequence[bool]
) -> tuple[list[Tensor], Float[Tensor, "r c"]]:
    """The arguments of a tile's entries, as leaves, and the entries with their graph."""
    parts = [
        part.detach().requires_grad_(wanted) for part, wanted in zip(_parts(inputs, tile, counts), needed, strict=True)
    ]
    with torch.enable_grad():
        return parts, entries(*parts)


def _add(
    gradients: Sequence[Tensor | None],
    tile: Tile,
    counts: tuple[int, int],
    parts: Sequence[Tensor],
    values: Tensor,
    weights: Tensor | None,
) -> None:
    """Add the gradients of a tile's values, times their weights, to the gradients of all inputs."""
    wanted = [part for part in parts if part.requires_grad]
    if not wanted or not values.requires_grad:
        return
    found = iter(torch.autograd.grad(values, wanted, weights, allow_unused=True))
    for number, (total, part) in enumerate(zip(gradients, parts, strict=True)):
        one = next(found) if part.requires_grad else None
        if one is not None and total is not None:
            _place(total, number, tile, counts).add_(one)


def _parts(inputs: Inputs, tile: Tile, counts: tuple[int, int]) -> list[Tensor]:
    """Some rows of the queries, some of the gallery, and the numbers."""
    return [_place(one, number, tile, counts) for number, one in enumerate(inputs)]


def _place(one: Tensor, number: int, tile: Tile, counts: tuple[int, int]) -> Tensor:
    """What a tile takes of an input: a query's rows, the gallery's columns, all of a number."""
    if number >= sum(counts):
        return one
    return one[tile[0] if number < counts[0] else tile[1]]


def _sums(exponents: Float[Tensor, "r c"], along: int) -> Sums:
    peaks = exponents.amax(along).clamp_(min=LOWEST)
    return peaks, (exponents - peaks.unsqueeze(along)).exp2_().sum(along)
