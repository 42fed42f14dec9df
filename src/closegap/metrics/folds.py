"""Folds for cross-validation that keep every group, and so every case, on one side."""

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.errors import UsageError


def group_folds(groups: Int[Tensor, "n"], folds: int = 5, seed: int = 0) -> Int[Tensor, "n"]:
    """The fold of each row, from 0: rows of one group share it, and the folds hold equally many groups.

    Args:
        groups: the group of each row; rows of both modalities of a case have its group.
        folds: how many; as many as there are groups where these are fewer.
        seed: of the assignment.

    Raises:
        UsageError: fewer than two groups.
    """
    present, place = groups.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    if len(present) < 2:
        raise UsageError(f"cross-validation needs two groups at least, got {len(present)}")
    shuffled = torch.randperm(len(present), generator=torch.Generator().manual_seed(seed))
    fold: Int[Tensor, n] = (shuffled % folds)[place]
    return fold
