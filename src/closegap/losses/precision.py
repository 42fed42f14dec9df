"""Losses run in full precision, whatever the rest of the step runs in."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Tensor])


def full_precision(function: F) -> F:
    """`function` with autocast off and half-precision arguments raised to float32; float64 stays float64.

    A cosine in bfloat16 is off by up to 2^-8; divided by a temperature of 0.01 that is 0.4 in the exponent.
    """
    return full_precision_unless(lambda _: False)(function)


def full_precision_unless(spared: Callable[[Tensor], bool]) -> Callable[[F], F]:
    """Decorator like `full_precision` that raises nothing when rows, the first argument, are `spared`.

    For functions that take the precision into their own hands where rows are.
    """

    def decorator(function: F) -> F:
        @wraps(function)
        def in_full(*args: Any, **kwargs: Any) -> Tensor:
            rows = _rows([*args, *kwargs.values()])
            with torch.autocast(rows.device.type, enabled=False):
                if spared(rows):
                    return function(*args, **kwargs)
                return function(*map(raised, args), **{name: raised(value) for name, value in kwargs.items()})

        return cast(F, in_full)

    return decorator


def raised(value: Any) -> Any:
    """A tensor of half precision in float32, also in a mapping; anything else as it is."""
    if isinstance(value, Mapping):
        return {name: raised(item) for name, item in value.items()}
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    return value


def _rows(arguments: list[Any]) -> Tensor:
    """The first argument: rows, or the first of rows by modality."""
    first = arguments[0]
    return cast(Tensor, next(iter(first.values())) if isinstance(first, Mapping) else first)
