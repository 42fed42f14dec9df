"""Activations on disk, read as they are drawn."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from closegap.batch import Activations
from closegap.mapped import mapped_tensor


class KeptActivations:
    """The activations of items, in their order, in shards that stay on disk: memory holds what is drawn.

    Args:
        places: file and row of each item; rows of one file are of one shape, those of two may differ in length.
    """

    def __init__(self, places: Sequence[tuple[Path, int]]) -> None:
        numbers: dict[Path, int] = {}
        shards = [numbers.setdefault(path, len(numbers)) for path, _ in places]
        self.paths = list(numbers)
        self.places = torch.tensor([shards, [row for _, row in places]], dtype=torch.long)

    def __len__(self) -> int:
        return self.places.shape[1]

    def __call__(self, items: Sequence[int]) -> Activations:
        """Those of some items, at least one."""
        shards, rows = self.places[:, torch.as_tensor(items, dtype=torch.long)]
        found: list[Tensor] = [torch.empty(0)] * len(items)
        for shard in shards.unique().tolist():
            (wanted,) = torch.nonzero(shards == shard, as_tuple=True)
            read = _rows(self.paths[shard])[rows[wanted]]
            for place, row in zip(wanted.tolist(), read, strict=True):
                found[place] = row
        return Activations(pad_sequence(found, batch_first=True), torch.tensor([len(row) for row in found]))


@lru_cache(maxsize=1024)
def _rows(path: Path) -> Tensor:
    """All rows of a shard, mapped: shards never change."""
    return mapped_tensor(path, "rows")
