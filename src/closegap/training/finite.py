"""Training that has left the numbers: stopped at once, before anything is measured or saved."""

from collections.abc import Iterable, Mapping
from math import isfinite

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor, nn

from closegap.distributed import AllProcesses
from closegap.errors import ClosegapError
from closegap.sharding import part


class NonFiniteError(ClosegapError):
    """A loss term, the gradient or a weight is NaN or infinite; the message names the step and which."""


def check_values(step: int, values: Mapping[str, float], what: str) -> None:
    """Refuse values of a step that are no numbers.

    Args:
        step: that is being taken.
        values: by name.
        what: they are.

    Raises:
        NonFiniteError: one of them is NaN or infinite.
    """
    for name, value in values.items():
        if not isfinite(value):
            raise NonFiniteError(
                f"step {step}: {what} {name!r} is {value}; "
                "lower --train.lr, raise the temperature, or train with --train.precision no"
            )


def check_weights(step: int, modules: Iterable[nn.Module]) -> None:
    """Refuse weights that are no numbers. A buffer may hold infinities: masks of attention do.

    Every process calls this.

    Args:
        step: that was taken.
        modules: what is trained.

    Raises:
        NonFiniteError: a weight is NaN or infinite, or a buffer NaN.
    """
    for module in modules:
        trained = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        # Of parts each process looks at its own; frozen towers are large, and no step changes them.
        damaged = {
            name: _damaged(part(tensor.detach()), name in trained)
            for name, tensor in module.state_dict().items()
            if trained.get(name, True)
        }
        if damaged:
            found = AllProcesses().max(torch.stack(list(damaged.values())).int()).tolist()
            for name in (name for name, is_damaged in zip(damaged, found, strict=True) if is_damaged):
                raise NonFiniteError(
                    f"step {step}: {name} is not finite any more, and no checkpoint holds it; "
                    "train a new run with a lower --train.lr or --train.weight_decay"
                )


def _damaged(tensor: Shaped[Tensor, "..."], weight: bool) -> Bool[Tensor, ""]:
    return tensor.isfinite().logical_not().any() if weight else tensor.isnan().any()
