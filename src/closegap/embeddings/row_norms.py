"""Norms of rows, and rows that have no direction."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_BLOCK = 8192
_NAMED = 5


def row_norms(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """The norm of each row in double precision, of which a few rows at a time are made."""
    return torch.cat([block.double().norm(dim=1) for block in torch.split(rows, _BLOCK)])


def unusable_row(norms: Float[Tensor, "n"], present: Bool[Tensor, "n"] | None = None) -> tuple[int, str] | None:
    """The first row that is zero or not finite with what is wrong with it, how many there are, and which; None if none.

    Args:
        norms: of the rows.
        present: the rows that count; all by default.

    Example:
        >>> unusable_row(torch.tensor([1.0, 0.0, float("nan")]))
        (1, 'is zero (2 such rows: 1, 2)')
    """
    unusable = ~norms.isfinite() | (norms == 0)
    bad = (unusable if present is None else unusable & present).numpy()
    rows: list[int] = []
    while len(rows) < _NAMED and bad[(after := rows[-1] + 1 if rows else 0) :].any():
        rows.append(after + int(bad[after:].argmax()))
    if not rows:
        return None
    norm, count = float(norms[rows[0]]), int(bad.sum())
    what = "is zero" if norm == 0 else "has an infinite norm" if norm == torch.inf else "holds NaN"
    listed = ", ".join(map(str, rows)) + (", ..." if count > len(rows) else "")
    return rows[0], f"{what} ({count:,} such rows: {listed})" if count > 1 else what
