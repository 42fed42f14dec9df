"""What somebody writes to have a tower trained from the activations of its frozen blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from closegap.batch import Activations
from closegap.errors import DataError
from closegap.kinds import TextKind
from closegap.models import Encoder


@dataclass(frozen=True)
class Letters:
    """Texts as numbers of their letters, padded with zeros."""

    def __call__(self, items: Sequence[str]) -> Tensor:
        if "broken" in items:
            raise DataError("a broken text")
        longest = max(map(len, items), default=0)
        return torch.tensor([[ord(letter) % 64 + 1 for letter in item] + [0] * (longest - len(item)) for item in items])


class Spelled(nn.Module):
    """The frozen part: a table of letters."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(65, dim, padding_idx=0).requires_grad_(False)
        self.drop = nn.Dropout(0.5)
        self.ran: list[int] = []

    def forward(self, inputs: Tensor) -> Activations:
        self.ran.append(len(inputs))
        return Activations(self.drop(self.table(inputs)), (inputs != 0).sum(1))

    def __repr__(self) -> str:
        return "Spelled()"


class PrefixedEncoder(Encoder):
    """A frozen table of letters, then what is trained."""

    takes = TextKind

    def __init__(self, dim: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.front = Spelled(dim)
        self.rear = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Dropout(dropout))

    def preparer(self) -> Callable[[Sequence[Any]], Tensor]:
        return Letters()

    @property
    def prefix(self) -> nn.Module | None:
        return self.front

    def resume(self, activations: Activations) -> Tensor:
        assert activations.lengths is not None
        summed: Tensor = self.rear(activations.values.sum(1) / activations.lengths[:, None])
        return summed

    def forward(self, inputs: Tensor) -> Tensor:
        return self.resume(self.front(inputs))
