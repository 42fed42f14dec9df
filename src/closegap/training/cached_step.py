"""The contrastive step in two passes: a global batch of any size in the memory of a micro-batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from closegap.batch import Batch
from closegap.losses.base import Loss
from closegap.training.step import contrastive_step


def cached_step(
    model: Any, loss: Loss, batch: Batch, progress: float, mask_groups: bool, micro_batch: int
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, ""]]:
    """The loss terms of the global batch, and the temperature; adds the gradients to the parameters' `grad`.

    The first pass embeds micro-batch after micro-batch without a graph. The loss of all embeddings then gives d loss /
    d embedding. The second pass embeds each micro-batch again, with its graph and with the random state that it had in
    the first, so that the same units are dropped, and carries those gradients on to the parameters. The sum over
    micro-batches is the gradient of `contrastive_step`, for one forward pass more.

    Rows of one micro-batch must not depend on those of another: a trained tower with batch normalisation takes its
    statistics from the micro-batch, and updates its running ones twice.

    Args:
        model: the model, or its distributed wrapper.
        loss: what is minimised.
        batch: this process's rows.
        progress: share of training done.
        mask_groups: rows of one group are not each other's negatives.
        micro_batch: cases with a graph at once.

    Reference:
        Gao et al., Scaling deep contrastive learning batch size under memory limited setup, arXiv 2101.06983.
    """
    parts = batch.split(micro_batch)
    embeddings, present, temperature, states = _embedded(model, parts, progress)
    terms, _ = contrastive_step(lambda *_: (embeddings, present, temperature), loss, batch, progress, mask_groups)
    _backward([torch.stack(list(terms.values())).sum()], [None])
    caches = zip(*(torch.split(_gradient(rows), micro_batch) for rows in embeddings.values()), strict=True)
    last = len(parts) - 1
    for number, (part, gradients, state) in enumerate(zip(parts, caches, states, strict=True)):
        # Processes exchange gradients once, with the last micro-batch; the temperature's comes along with it.
        with _without_exchange(model, number < last), _replayed(state, batch.groups.device):
            rows, _, tau = model(part, progress)
            _backward(
                [*rows.values(), *([tau] if number == last else [])],
                [*gradients, *([_gradient(temperature)] if number == last else [])],
            )
    return {name: term.detach() for name, term in terms.items()}, temperature.detach()


@torch.no_grad()
def _embedded(
    model: Any, parts: Sequence[Batch], progress: float
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, list[list[Tensor]]]:
    """The rows of all parts and the temperature, as leaves that collect gradients, and each part's random state."""
    bare = model.module if isinstance(model, DistributedDataParallel) else model
    states, found = [], []
    for part in parts:
        states.append(_random_state(part.groups.device))
        found.append(bare(part, progress))
    torch.clear_autocast_cache()  # it holds weights that were cast without a graph
    embeddings = {name: torch.cat([rows[name] for rows, _, _ in found]).requires_grad_() for name in found[0][0]}
    present = {name: torch.cat([masks[name] for _, masks, _ in found]) for name in found[0][1]}
    return embeddings, present, found[-1][2].clone().requires_grad_(), states


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def _backward(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Backpropagate in the tensors' own precision, from those that have a graph."""
    chosen = [(tensor, gradient) for tensor, gradient in zip(tensors, gradients, strict=True) if tensor.requires_grad]
    with torch.autocast(tensors[0].device.type, enabled=False):
        torch.autograd.backward([tensor for tensor, _ in chosen], [gradient for _, gradient in chosen])


def _without_exchange(model: Any, wanted: bool) -> Any:
    return model.no_sync() if wanted and isinstance(model, DistributedDataParallel) else nullcontext()


def _random_state(device: torch.device) -> list[Tensor]:
    """The random state of the CPU and, where it is another, of the device."""
    own = [] if device.type == "cpu" else [torch.get_device_module(device).get_rng_state()]
    return [torch.get_rng_state(), *own]


@contextmanager
def _replayed(state: Sequence[Tensor], device: torch.device) -> Iterator[None]:
    """Inside, randomness goes on from `state`; after it, from where it was."""
    before = _random_state(device)
    _set_random_state(state, device)
    try:
        yield
    finally:
        _set_random_state(before, device)


def _set_random_state(state: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.get_device_module(device).set_rng_state(state[1])
