"""Cross-entropy of any logits without their n x n matrix: exact, tile by tile, each tile again in the backward pass."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

from closegap.losses.processes import processes, sum_of_parts
from closegap.losses.tiles import LOWEST, Tiling
from closegap.types import Groups


def tiled_cross_entropy(
    logits: Callable[..., Float[Tensor, "r c"]],
    queries: Sequence[Shaped[Tensor, "n ..."]],
    gallery: Sequence[Shaped[Tensor, "n ..."]],
    positives: Float[Tensor, "n"],
    groups: Groups | None = None,
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """What `pair_cross_entropy` returns of logits(*queries, *gallery), in memory that grows with n alone.

    Args:
        logits: of some rows of all queries, and some of all of the gallery; other tensors that it holds may take
            gradients too.
        queries: what the rows of the matrix are computed from.
        gallery: what its columns are computed from.
        positives: its diagonal.
        groups: rows of one group are not each other's negatives; the true pair always counts.
        tile: rows and columns of a tile; what suits the device by default.
    """
    members = processes()
    tile = tile or (512 if positives.device.type == "cpu" else 2048)  # autograd holds several of them
    numbers = torch.arange(len(positives), device=positives.device) if groups is None else groups
    rows_of = list(zip(*(torch.split(part, tile) for part in (numbers, *queries)), strict=True))
    columns_of = list(zip(*(torch.split(part, tile) for part in (numbers, *gallery)), strict=True))

    def log_sums(i: int, j: int) -> tuple[Float[Tensor, "r"], Float[Tensor, "c"]]:
        (own, *some_queries), (others, *some_gallery) = rows_of[i], columns_of[j]
        negatives = logits(*some_queries, *some_gallery).masked_fill(own[:, None] == others[None, :], LOWEST)
        return negatives.logsumexp(1), negatives.logsumexp(0)

    lowest = [positives.new_full((len(part[0]),), LOWEST) for part in rows_of]
    sums = [[[line] for line in lowest] for _ in range(2)]  # of rows and of columns, of each slice of them
    for rows, columns in Tiling(len(positives), tile, members).all():
        i, j = rows.start // tile, columns.start // tile
        of_rows, of_columns = checkpoint(log_sums, i, j, use_reentrant=False, preserve_rng_state=False)
        sums[0][i].append(of_rows)
        sums[1][j].append(of_columns)
    own = torch.stack([torch.cat([torch.stack(parts).logsumexp(0) for parts in side]) for side in sums])
    highest = members.max(own.detach())
    everything = highest + sum_of_parts((own - highest).exp(), members).log()
    return softplus(everything - positives).sum() / (2 * max(len(positives), 1))
