"""When the n x n matrix of a loss is computed tile by tile, in which tiles, and which of them are this process's."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import combinations_with_replacement, islice, product

from closegap.losses.processes import processes

TILED_ABOVE = 1024
"""Rows from which the losses take tiles."""

Tile = tuple[slice, slice]
"""Rows and columns of a tile."""


@dataclass(frozen=True)
class _Choice:
    above: int = TILED_ABOVE
    side: int | None = None


_choice: ContextVar[_Choice] = ContextVar("choice", default=_Choice())  # noqa: B039 - it is frozen


@contextmanager
def tiling(above: int = TILED_ABOVE, side: int | None = None) -> Iterator[None]:
    """Choose what losses that are computed inside hold of their n x n matrices; values and gradients are the same.

    Args:
        above: tiles are taken of more rows than these.
        side: rows and columns of a tile; what suits the device by default.

    Example:
        >>> import torch
        >>> from closegap.losses import InfoNCE
        >>> views = {"image": torch.eye(9), "report": torch.eye(9)}
        >>> with tiling(above=8, side=4):
        ...     value = InfoNCE()(views, {}, 0.5, 0.0)["contrastive"]
        >>> torch.allclose(value, InfoNCE()(views, {}, 0.5, 0.0)["contrastive"])
        True
    """
    token = _choice.set(_Choice(above, side))
    try:
        yield
    finally:
        _choice.reset(token)


def takes_tiles(n: int) -> bool:
    """Whether a matrix of n rows is computed tile by tile."""
    return n > _choice.get().above


class Tiling:
    """This process's tiles of an n x n matrix; tiles of all processes cover it once.

    Args:
        n: rows and columns.
        largest: rows and columns of the largest tiles that are worth it, where `tiling` does not say.
    """

    def __init__(self, n: int, largest: int) -> None:
        self.processes = processes()
        self.side = _choice.get().side or largest
        self._slices = [slice(first, min(first + self.side, n)) for first in range(0, n, self.side)]

    def all(self) -> Iterator[Tile]:
        """Tiles that cover the matrix."""
        return self._own(product(self._slices, self._slices))

    def upper(self) -> Iterator[Tile]:
        """Tiles that cover one half of a symmetric matrix, and its diagonal."""
        return self._own(combinations_with_replacement(self._slices, 2))

    def _own(self, tiles: Iterable[Tile]) -> Iterator[Tile]:
        return islice(tiles, self.processes.rank, None, self.processes.size)
