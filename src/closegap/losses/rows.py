"""Which rows, which pairs of modalities and which negatives a term is computed over."""

from collections.abc import Callable
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.errors import UsageError
from closegap.types import Embeddings, Groups, Present


def check_batch(embeddings: Embeddings, present: Present, groups: Groups | None = None) -> None:
    """Refuse a batch whose parts do not fit together.

    Raises:
        UsageError: no modality, modalities of different shapes, masks or groups that are not one entry per row.
    """
    shapes = {name: tuple(rows.shape) for name, rows in embeddings.items()}
    if not shapes or any(len(shape) != 2 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise UsageError(f"embeddings have shapes {shapes}, expected one (rows, width) for every modality")
    n = next(iter(shapes.values()))[0]
    for name, mask in present.items():
        if name not in embeddings:
            raise UsageError(f"presence is given for {name!r}, which is not among the modalities {list(embeddings)}")
        if mask.dtype != torch.bool or mask.shape != (n,):
            given = f"{mask.dtype} of shape {tuple(mask.shape)}"
            raise UsageError(f"presence of {name!r} is {given}, expected torch.bool of shape ({n},)")
    if groups is not None and groups.shape != (n,):
        raise UsageError(f"groups have shape {tuple(groups.shape)}, expected ({n},), one number per row")


def counted(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], groups: Groups | None, present: Bool[Tensor, "n"] | None
) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k d"], Groups | None]:
    """The rows of two modalities that a term is computed over, and their groups; all where `present` is None."""
    if present is None:
        return a, b, groups
    return a[present], b[present], None if groups is None else groups[present]


def batch_size(embeddings: Embeddings) -> int:
    """Number of rows."""
    return len(next(iter(embeddings.values())))


def modality_pairs(embeddings: Embeddings, anchor: str | None = None) -> list[tuple[str, str]]:
    """All pairs of modalities or, with an anchor, the pairs that begin with it.

    Raises:
        UsageError: fewer than two modalities, or an anchor that is not one of them.
    """
    names = list(embeddings)
    if len(names) < 2:
        raise UsageError(f"pairs need two modalities or more, got {names}")
    if anchor is None:
        return list(combinations(names, 2))
    if anchor not in embeddings:
        raise UsageError(f"anchor {anchor!r} is not among the modalities {names}")
    return [(anchor, name) for name in names if name != anchor]


def rows_with_all(present: Present, *names: str) -> Bool[Tensor, "n"] | None:
    """The rows that have every one of these modalities; None when all rows do."""
    masks = [present[name] for name in names if name in present]
    return torch.stack(masks).all(0) if masks else None


def rows_with_any(embeddings: Embeddings, present: Present) -> Bool[Tensor, "n"] | None:
    """The rows that have a modality at all; None when all rows do because some modality has no mask."""
    if any(name not in present for name in embeddings):
        return None
    return torch.stack([present[name] for name in embeddings]).any(0)


def mean_over_pairs(
    term: Callable[[Float[Tensor, "n d"], Float[Tensor, "n d"], Bool[Tensor, "n"] | None], Float[Tensor, "..."]],
    embeddings: Embeddings,
    present: Present,
    anchor: str | None = None,
) -> Float[Tensor, "..."]:
    """Mean of a two-modality term over the pairs of modalities that share a row; 0 when none does.

    A modality that the whole batch lacks thus changes nothing.

    Args:
        term: value, or values, for two modalities and the rows that have both (None: all); 0 on no rows.
        embeddings: rows by modality.
        present: which rows have a modality.
        anchor: take only the pairs with this modality.
    """
    values = []
    pairs_with_rows = 0
    for first, second in modality_pairs(embeddings, anchor):
        rows = rows_with_all(present, first, second)
        values.append(term(embeddings[first], embeddings[second], rows))
        pairs_with_rows += 1 if rows is None or bool(rows.any()) else 0
    return torch.stack(values).sum(0) / max(pairs_with_rows, 1)


def not_negatives(groups: Groups | None, n: int, device: torch.device) -> Bool[Tensor, "n n"]:
    """Pairs of rows that are not each other's negatives: a row with itself and with the others of its group."""
    if groups is None:
        return torch.eye(n, dtype=torch.bool, device=device)
    return groups[:, None] == groups[None, :]


def negative_pairs(groups: Groups | None, n: int) -> int:
    """Number of ordered pairs of rows that are each other's negatives."""
    if groups is None:
        return n * (n - 1)
    sizes = torch.unique(groups, return_counts=True)[1]
    return n * n - int(sizes.square().sum())
