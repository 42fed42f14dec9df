"""Maps of rows that are a matrix and an offset, whatever they are written as."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.posthoc import PostHoc

_PROBES = 16
_TOLERANCE = 1e-9  # relative, in float64


@dataclass(frozen=True)
class Affine:
    """x' = weight x + bias.

    Args:
        weight: that rows are multiplied with.
        bias: added to them.
    """

    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, "k"]


def affine(move: Callable[[Tensor], Tensor], width: int) -> Affine | None:
    """The matrix and the offset of a map of rows, or None where it is no such map.

    The map is asked, whoever wrote it: where it sends the origin and the end of each axis, and whether random rows go
    where these say.

    Args:
        move: from float64 rows to float64 rows.
        width: of the rows.
    """
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(_PROBES, width, dtype=torch.float64, generator=random)
    origin, axes = torch.zeros(1, width, dtype=torch.float64), torch.eye(width, dtype=torch.float64)
    with torch.no_grad():
        bias, ends, found = (move(some) for some in (origin, axes, rows))
    weight = (ends - bias).T
    if not torch.allclose(found, rows @ weight.T + bias, rtol=0, atol=_TOLERANCE * float(found.abs().max())):
        return None
    return Affine(weight, bias[0])


def affine_posthoc(posthoc: PostHoc, modality: str) -> Affine | None:
    """A fitted map of a modality's rows, not yet normalised; None for `realign`, say, which normalises in between."""
    fitted = posthoc.fitted
    assert fitted is not None
    return affine(lambda rows: posthoc.move(rows, modality, fitted.state), fitted.widths[modality])
