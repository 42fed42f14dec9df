"""Several towers over one kind of item, side by side."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.errors import UsageError
from closegap.models.base import Encoder
from closegap.models.towers.inside import packed_inside, unpacked_inside


@dataclass(frozen=True)
class PreparersTogether:
    """Raw items to what each preparer makes of them."""

    preparers: tuple[Callable[[Sequence[Any]], Any], ...]

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        """The batch of every tower."""
        return [preparer(items) for preparer in self.preparers]


class ConcatEncoder(Encoder):
    """Unit-norm features of several towers, one after the other: what one lacks another may have.

    Args:
        encoders: two towers or more that take the same kind of item.

    Raises:
        UsageError: fewer than two, or towers of different kinds of item.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        if len(encoders) < 2:
            raise UsageError(f"encoders: {len(encoders)} given, expected two or more to stand side by side")
        kinds = {encoder.takes.__name__ for encoder in encoders}
        if len(kinds) > 1:
            raise UsageError(f"encoders: take {' and '.join(sorted(kinds))}, expected one kind of item")
        self.takes = encoders[0].takes
        self.encoders = nn.ModuleList(encoders)
        self.dim = sum(encoder.dim for encoder in encoders)
        self.fitted = any(encoder.fitted for encoder in encoders)

    def preparer(self) -> PreparersTogether:
        """What each tower's preparer makes."""
        return PreparersTogether(tuple(encoder.preparer() for encoder in self._towers))

    def lengths(self, items: Sequence[Any]) -> Sequence[int]:
        """The longest that any tower makes of each item."""
        return [max(found) for found in zip(*(encoder.lengths(items) for encoder in self._towers), strict=True)]

    def fit(self, items: Iterable[Any]) -> None:
        """Fit every tower."""
        given = list(items)
        for encoder in self._towers:
            encoder.fit(given)

    def forward(self, inputs: Sequence[Any]) -> Float[Tensor, "n dim"]:
        """Each tower's features of unit norm, side by side."""
        parts = [encoder(part) for encoder, part in zip(self._towers, inputs, strict=True)]
        return torch.cat([F.normalize(part.float(), dim=-1) for part in parts], dim=-1)

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """What each tower packs, in a folder of its number."""
        found = []
        for number, encoder in enumerate(self._towers):
            home = folder / str(number)
            home.mkdir()
            found.append(packed_inside(encoder, home))
            if not any(home.iterdir()):
                home.rmdir()
        return {"encoders": found}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The towers that `pack` described; closegap's own alone are imported."""
        packed = enumerate(arguments["encoders"])
        return cls([unpacked_inside(one, folder / str(number), f"encoders.{number}") for number, one in packed])

    @property
    def _towers(self) -> list[Encoder]:
        return [encoder for encoder in self.encoders if isinstance(encoder, Encoder)]
