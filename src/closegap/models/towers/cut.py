"""A tower in two: what is frozen before the first trained block, and the rest."""

import copy
import logging
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from closegap.models.base import Encoder

_LOG = logging.getLogger(__name__)
_ROUNDING = 1e-4  # of the largest feature, in float32


@dataclass(frozen=True)
class Cut:
    """Names of a tower's parts on both sides of its first trained block.

    A part is a module whose parameters are all trained or all frozen, or a parameter of a module of both kinds. Modules
    run in the order in which they were defined, as in most towers; `expect_cut` finds the others.

    Args:
        front: what is frozen and comes before; empty where nothing is frozen or nothing trained.
        rear: all else.
    """

    front: Set[str]
    rear: Set[str]

    @classmethod
    def of(cls, tower: nn.Module) -> "Cut":
        """The parts of a tower as it is trained now."""
        front, rear = set[str](), set[str]()
        for name, module, trained in _parts(tower):
            (rear if trained or (module and rear) else front).add(name)
        return cls(front, rear) if rear else cls(set(), front)


def bypassed(module: nn.Module, names: Set[str]) -> Any:
    """A copy that shares all weights of `module`, in which the parts of these names hand on what they are given.

    Args:
        module: a tower.
        names: of modules and parameters inside it; a parameter is None in the copy.

    Example:
        >>> tower = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
        >>> bypassed(tower, {"0"})(torch.zeros(1, 3)).shape
        torch.Size([1, 4])
    """
    made = copy.copy(module)
    made._modules, made._parameters = dict(module._modules), dict(module._parameters)
    for name in sorted({name.partition(".")[0] for name in names}):
        if name in made._parameters:
            made._parameters[name] = None
        elif name not in names:
            inside = {rest for first, _, rest in (given.partition(".") for given in names) if first == name}
            made._modules[name] = bypassed(module.get_submodule(name), inside)
        elif isinstance(module, nn.Sequential):
            del made._modules[name]
        else:
            made._modules[name] = _Passing()
    return made


@torch.no_grad()
def can_be_cut(encoder: Encoder, inputs: Any) -> bool:
    """Whether the tower, resumed from its prefix, gives the features of the whole; the log says where it does not.

    Towers whose later blocks read more than the output of the block before them do not: they are trained as a whole.

    Args:
        encoder: a tower with a prefix.
        inputs: a prepared batch, items of different lengths where they have any.
    """
    training = encoder.training
    encoder.eval()
    try:
        whole, resumed = encoder(inputs), encoder.resume(encoder.activations(inputs))
        agree = whole.shape == resumed.shape and bool((whole - resumed).abs().max() <= _ROUNDING * whole.abs().max())
        reason = "its features differ"
    except Exception as error:  # whatever somebody's architecture makes of what it was not written for
        agree, reason = False, f"{type(error).__name__}: {error}"
    encoder.train(training)
    if not agree:
        name = encoder.recipe.arguments
        _LOG.warning(
            "%s: its frozen blocks run at every step, for it cannot go on from their outputs (%s)", name, reason
        )
    return agree


class _Passing(nn.Module):
    """Hands on the first tensor that it is given."""

    def forward(self, *given: Any, **named: Any) -> Tensor:
        return next(value for value in (*given, *named.values()) if isinstance(value, Tensor))


def _parts(module: nn.Module, path: str = "") -> Iterator[tuple[str, bool, bool]]:
    """Name, whether it is a module, and whether it is trained, of each part in order."""
    for name, parameter in module.named_parameters(recurse=False):
        yield path + name, False, parameter.requires_grad
    for name, child in module.named_children():
        trained = {parameter.requires_grad for parameter in child.parameters()}
        if len(trained) == 2:
            yield from _parts(child, f"{path}{name}.")
        else:
            yield path + name, True, True in trained
