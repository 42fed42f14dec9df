"""A model in parts, one on each process (FSDP2). Beside `distributed`, the only user of torch.distributed.

Every function here that touches parts is a collective: all processes call it, in the same order. What is imported late
takes half a second, which one process does not need.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeGuard

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from closegap.distributed import AllProcesses, world_size

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def shard(module: nn.Module, methods: Sequence[str] = ()) -> None:
    """Leave this process its part of each parameter of `module`; gradients and optimiser states are parts then, too.

    A block is gathered when it runs, forward and backward, and given up after it. What belongs to no block is gathered
    together. Scalars cannot be divided and stay whole; their gradients are averaged over processes, as those of the
    parts are. Processes run the same blocks in the same order, or wait for each other forever.

    Args:
        module: whole, with equal weights on every process.
        methods: what is called in place of `forward` by others than `module` itself.

    Reference:
        Zhao et al., PyTorch FSDP: experiences on scaling fully sharded data parallel, arXiv 2304.11277.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    parameters = list(module.parameters())
    scalars = {parameter for parameter in parameters if parameter.ndim == 0}
    mesh = init_device_mesh(parameters[0].device.type, (world_size(),))
    for part in (*blocks(module), module):
        fully_shard(part, mesh=mesh, ignored_params=scalars)
    for method in methods:
        register_fsdp_forward_method(module, method)
    for scalar in scalars:
        if scalar.requires_grad:
            scalar.register_post_accumulate_grad_hook(_average)  # type: ignore[no-untyped-call]


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost stacks (`ModuleList`, `Sequential`) that have layers of their own: a tower's blocks.

    Example:
        >>> members = [nn.Sequential(nn.Linear(2, 2), nn.GELU()), nn.Sequential(nn.Linear(2, 2)), nn.LayerNorm(2)]
        >>> len(list(blocks(nn.ModuleDict({"tower": nn.ModuleList(members)}))))
        2
    """
    stacked = isinstance(module, nn.ModuleList | nn.Sequential)
    for child in module.children():
        if stacked and any(True for _ in child.children()):
            yield child
        else:
            yield from blocks(child)


def in_parts(tensor: Tensor) -> "TypeGuard[DTensor]":
    """Whether each process holds a part of it."""
    if world_size() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def whole(tensor: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """All of a tensor that may be in parts, on every process."""
    return tensor.full_tensor() if in_parts(tensor) else tensor


def part(tensor: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """This process's part of a tensor; all of one that is whole."""
    return tensor.to_local() if in_parts(tensor) else tensor


def like(tensor: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """A whole tensor in the parts that `target` is in; as it is where `target` is whole.

    Args:
        tensor: equal on every process.
        target: of the same shape.
    """
    if not in_parts(target):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, target.device_mesh, target.placements, src_data_rank=None)


@torch.no_grad()
def clip_gradients(parameters: Sequence[nn.Parameter], longest: float) -> Float[Tensor, ""]:
    """The norm of all gradients together, which are then scaled to a norm of at most `longest`.

    Args:
        parameters: whole ones with equal gradients on every process, and ones in parts.
        longest: largest norm.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    parts = [part(gradient) for gradient in gradients if in_parts(gradient)]
    if not parts:
        return clip_grad_norm_(parameters, longest)
    wholes = [gradient for gradient in gradients if not in_parts(gradient)]
    length = (AllProcesses().sum(get_total_norm(parts) ** 2) + get_total_norm(wholes) ** 2).sqrt()
    torch._foreach_mul_([*parts, *wholes], (longest / (length + 1e-6)).clamp(max=1.0))
    return length


def _average(parameter: Tensor) -> None:
    """Mean of the processes' gradients. What an earlier backward left is equal on all, and its mean is itself."""
    assert parameter.grad is not None
    parameter.grad = AllProcesses().sum(parameter.grad) / world_size()
