"""The training captions nearest to an embedding, which a decoder reads beside it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import DataError, UsageError
from closegap.sealed import load_sealed, read_says, save_sealed

NEIGHBOURS = "neighbours.safetensors"
"""Where a run's folder keeps them."""

_HEADER, _FORMAT = "closegap_neighbours", 1
_AGAIN = "copy it from where the run was trained, or train the decoder again"
_QUERIES = 1024  # searched at once


@dataclass(frozen=True)
class Neighbours:
    """Training captions by their embeddings, to be searched from anywhere in the shared space.

    Args:
        embeddings: of the captions, unit-norm.
        groups: of each caption its `group_digests`: a case never reads what is said of its own article or patient.
        count: how many are read.

    Raises:
        UsageError: fewer captions outside some group than are to be read.
    """

    embeddings: Float[Tensor, "n d"]
    groups: Int[Tensor, "n"]
    count: int

    def __post_init__(self) -> None:
        largest = int(torch.unique(self.groups, return_counts=True)[1].max()) if len(self.groups) else 0
        if len(self.groups) - largest < self.count:
            raise UsageError(
                f"objective.neighbours: {self.count} given, but outside the largest group there are only "
                f"{len(self.groups) - largest} training captions; give at most as many"
            )

    def beside(self, queries: Float[Tensor, "m d"], groups: Int[Tensor, "m"]) -> Float[Tensor, "m parts_d"]:
        """Each query and, after it in the same row, its nearest captions of other groups, nearest first.

        Args:
            queries: unit-norm rows of the shared space, of whatever modality.
            groups: `group_digests` of the queries' cases.
        """
        device = queries.device
        captions, theirs = self.embeddings.to(device), self.groups.to(device)
        found = []
        parts = zip(torch.split(queries, _QUERIES), torch.split(groups.to(device), _QUERIES), strict=True)
        for some, own in parts:
            cosines = (some @ captions.T).masked_fill(own[:, None] == theirs, -torch.inf)
            nearest = captions[cosines.topk(self.count).indices]
            found.append(torch.cat([some[:, None], nearest], 1).flatten(1))
        return torch.cat(found)

    def save(self, folder: Path) -> None:
        """Write them into a run's folder, whole, unless they are there."""
        if not (folder / NEIGHBOURS).exists():
            tensors = {"embeddings": self.embeddings.cpu(), "groups": self.groups.cpu()}
            save_sealed(folder / NEIGHBOURS, tensors, _HEADER, {"format": _FORMAT})

    @classmethod
    def load(cls, folder: Path, count: int) -> Self:
        """Those that `save` wrote.

        Raises:
            DataError: a missing or damaged file, or one of another kind.
            UsageError: see the class.
        """
        path = folder / NEIGHBOURS
        if read_says(path, _HEADER, _AGAIN).get("format") != _FORMAT:
            raise DataError(f"{path}: no training captions of this version; {_AGAIN}")
        found = load_sealed(path, _AGAIN)
        return cls(found["embeddings"], found["groups"], count)


def group_digests(groups: Sequence[str]) -> Int[Tensor, "n"]:
    """A number for each article or patient, the same wherever it is named; no name can be read from it."""
    digests = [hashlib.blake2b(group.encode(), digest_size=8).digest() for group in groups]
    return torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.int64) if digests else torch.empty(0).long()
