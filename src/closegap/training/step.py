"""The contrastive step: embed, gather over processes, one loss on the global batch."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.batch import Batch
from closegap.distributed import AllProcesses, gather_batch
from closegap.losses import Loss, dividing_work
from closegap.losses.kernels import kernels_available
from closegap.losses.tiling import takes_tiles
from closegap.types import Embeddings, Groups, Present


def contrastive_step(
    model: Any, loss: Loss, batch: Batch, progress: float, mask_groups: bool
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, ""]]:
    """The loss terms of the global batch, and the temperature.

    Args:
        model: the model, or its distributed wrapper.
        loss: what is minimised.
        batch: this process's rows.
        progress: share of training done.
        mask_groups: rows of one group are not each other's negatives.
    """
    embeddings, present, temperature = model(batch, progress)
    groups = batch.groups if mask_groups else None
    return contrastive_terms(loss, embeddings, present, temperature, progress, groups), temperature


def contrastive_terms(
    loss: Loss,
    embeddings: Embeddings,
    present: Present,
    temperature: Float[Tensor, ""],
    progress: float,
    groups: Groups | None,
) -> dict[str, Float[Tensor, ""]]:
    """The loss terms of the global batch, from this process's embeddings.

    Every process computes the loss on all rows; of a large batch, its part of the tiles. The gather's backward sums the
    processes' gradients, so that the mean which data-parallel training takes over processes is the gradient of the
    global loss.

    Args:
        loss: what is minimised.
        embeddings: this process's rows.
        present: which of them have a modality.
        temperature: what cosines are divided by.
        progress: share of training done.
        groups: rows of one group are not each other's negatives.
    """
    embeddings, present, groups = gather_batch(embeddings, present, groups)
    with dividing_work(AllProcesses()):
        terms: dict[str, Tensor] = loss(for_kernels(embeddings), present, temperature, progress, groups)
    return terms


def for_kernels(embeddings: Embeddings) -> Embeddings:
    """Rows in bfloat16, which the losses' Triton kernels multiply, where a step in that precision gains by it.

    That is: of a large batch, under autocast to bfloat16, on a GPU with the kernels. Elsewhere the rows as they are.
    They were normalised, and are gathered, in float32; their gradients are summed over processes in it.
    """
    rows = next(iter(embeddings.values()))
    where = rows.device
    half = torch.is_autocast_enabled(where.type) and torch.get_autocast_dtype(where.type) == torch.bfloat16
    if not (half and takes_tiles(len(rows)) and kernels_available(where)):
        return embeddings
    return {name: rows.bfloat16() for name, rows in embeddings.items()}
