"""Processes that compute one loss of the global batch together, each a part of its tiles."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from torch import Tensor


class Processes(Protocol):
    """Which of how many processes this is, and what they sum up. Losses know this much of them and no more."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """Number of processes."""

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum over the processes, without gradient; the same on each."""

    def max(self, values: Tensor) -> Tensor:
        """Elementwise maximum over the processes, without gradient; the same on each."""


class Alone:
    """One process that has all the work."""

    rank = 0
    size = 1

    def sum(self, values: Tensor) -> Tensor:
        """The values."""
        return values

    def max(self, values: Tensor) -> Tensor:
        """The values."""
        return values


_processes: ContextVar[Processes] = ContextVar("processes", default=Alone())  # noqa: B039 - it holds nothing


@contextmanager
def dividing_work(processes: Processes) -> Iterator[None]:
    """Let the processes divide the tiles of every tiled loss that is computed inside.

    Each process calls the loss on the same global batch and gets the same, whole value. Its gradient is `size` times
    what its own tiles contribute: the mean over processes, which data-parallel training takes, is the exact gradient,
    as it is for losses that every process computes whole. Parameters of a loss get the exact gradient on each process.
    """
    token = _processes.set(processes)
    try:
        yield
    finally:
        _processes.reset(token)


def processes() -> Processes:
    """Who divides the work of the tiled loss that is computed now."""
    return _processes.get()
