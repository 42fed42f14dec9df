"""Which rows, which pairs of modalities and which negatives a term is computed over."""

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.errors import UsageError
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import raised
from closegap.losses.tiling import takes_tiles
from closegap.types import Embeddings, Groups, Present

PairTerm = Callable[[Float[Tensor, "k d"], Float[Tensor, "k d"], Groups | None], Float[Tensor, "..."]]
"""Value, or values, of the rows of two modalities and their groups; 0 of no rows."""

RowTerm = Callable[[Float[Tensor, "k d"], Groups | None], Float[Tensor, "..."]]
"""Value, or values, of the rows of one modality and their groups; 0 of no rows."""


def mean_over_pairs(
    batch: EmbeddedBatch, term: PairTerm, anchor: str | None = None, tiled: PairTerm | None = None
) -> Float[Tensor, "..."]:
    """Mean of a two-modality term over the pairs of modalities that share a row; 0 when none does.

    A modality that the whole batch lacks thus changes nothing.

    Args:
        batch: whose modalities are paired. Only rows that have both are handed on.
        term: of rows in full precision, those of half precision raised to float32.
        anchor: take only the pairs with this modality.
        tiled: takes the place of `term` where the rows are many, and these in the precision that they have.

    Raises:
        UsageError: fewer than two modalities, or an anchor that is not one of them.
    """
    values, pairs_with_rows = [], 0
    for first, second in modality_pairs(batch.embeddings, anchor):
        a, b, groups = batch.embeddings[first], batch.embeddings[second], batch.groups
        rows = rows_with_all(batch.present, first, second)
        if rows is not None:
            a, b, groups = a[rows], b[rows], None if groups is None else groups[rows]
        values.append(_computed(term, tiled, (a, b), groups))
        pairs_with_rows += len(a) > 0
    return torch.stack(values).sum(0) / max(pairs_with_rows, 1)


def mean_over_modalities(batch: EmbeddedBatch, term: RowTerm, tiled: RowTerm | None = None) -> Float[Tensor, "..."]:
    """Mean of a term of one modality over the modalities that have a row; 0 when none does.

    Args:
        batch: whose modalities they are. Only rows that are present are handed on.
        term: of rows in full precision, those of half precision raised to float32.
        tiled: takes the place of `term` where the rows are many, and these in the precision that they have.
    """
    values, modalities_with_rows = [], 0
    for name, x in batch.embeddings.items():
        groups, rows = batch.groups, batch.present.get(name)
        if rows is not None:
            x, groups = x[rows], None if groups is None else groups[rows]
        values.append(_computed(term, tiled, (x,), groups))
        modalities_with_rows += len(x) > 0
    return torch.stack(values).sum(0) / max(modalities_with_rows, 1)


def _computed(
    term: Callable[..., Tensor], tiled: Callable[..., Tensor] | None, rows: Sequence[Tensor], groups: Groups | None
) -> Tensor:
    if tiled is not None and takes_tiles(len(rows[0])):
        return tiled(*rows, groups)
    return term(*map(raised, rows), groups)


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
