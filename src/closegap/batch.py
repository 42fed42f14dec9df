"""What one step of the model is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Outputs of a frozen tower: the model goes on from here."""

    values: Float[Tensor, "k dim"]


@dataclass(frozen=True)
class Activations:
    """Outputs of a tower's frozen prefix: the tower goes on from here.

    Args:
        values: one row per item, padded with zeros to the longest along the first dimension.
        lengths: how long each item is; None where all are of one shape.
    """

    values: Float[Tensor, "k longest ..."]
    lengths: Int[Tensor, "k"] | None = None


@dataclass(frozen=True)
class Batch:
    """n cases, of which each modality holds those that have it.

    Args:
        inputs: modality name to its prepared items, to `Activations` or to `Features`.
        rows: modality name to the row of each item, in 0..n-1, ascending.
        groups: one number per case; cases of one group are not each other's negatives.
    """

    inputs: Mapping[str, Any]
    rows: Mapping[str, Int[Tensor, "k"]]
    groups: Int[Tensor, "n"]

    def to(self, device: Any) -> "Batch":
        """The batch on another device."""
        return Batch(move(self.inputs, device), move(self.rows, device), self.groups.to(device, non_blocking=True))

    def split(self, size: int) -> "list[Batch]":
        """Parts of at most `size` cases, in order; at least one. Every tensor of `inputs` has one row per item."""
        n = len(self.groups)
        starts = list(range(0, max(n, 1), size))
        edges = torch.tensor([*starts, n], device=self.groups.device)
        bounds = {name: torch.searchsorted(rows, edges).tolist() for name, rows in self.rows.items()}
        return [
            Batch(
                {name: each_tensor(inputs, _rows(bounds[name], i)) for name, inputs in self.inputs.items()},
                {name: _rows(bounds[name], i)(rows) - start for name, rows in self.rows.items()},
                self.groups[start : start + size],
            )
            for i, start in enumerate(starts)
        ]

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory; torch's loader calls this."""
        return Batch(_pin(self.inputs), _pin(self.rows), self.groups.pin_memory())


def move(value: Any, device: Any) -> Any:
    """Prepared inputs, of whatever nesting, on another device."""
    return each_tensor(value, lambda tensor: tensor.to(device, non_blocking=True))


def _rows(bounds: Sequence[int], part: int) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor[bounds[part] : bounds[part + 1]]


def _pin(value: Any) -> Any:
    return each_tensor(value, lambda tensor: tensor.pin_memory())


def each_tensor(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """Prepared inputs, of whatever nesting, with each tensor replaced by what `change` makes of it."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Features):
        return Features(change(value.values))
    if isinstance(value, Activations):
        return Activations(change(value.values), None if value.lengths is None else change(value.lengths))
    if isinstance(value, Mapping):
        return {key: each_tensor(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(each_tensor(item, change) for item in value)
    return value
