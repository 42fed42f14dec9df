"""Threads that divide a loss's work as processes do, so that one test process shows what several would compute."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError
from typing import TypeVar

import torch
from torch import Tensor

from closegap.losses import dividing_work

R = TypeVar("R")


def on_threads(size: int, work: Callable[[], R]) -> list[R]:
    """What `work` returns on each of `size` threads that divide the work of its losses; it is called at once on all."""
    barrier, slots = Barrier(size, timeout=60), [torch.empty(0)] * size

    def member(rank: int) -> R:
        try:
            with dividing_work(_Member(rank, barrier, slots)):
                return work()
        except BaseException:
            barrier.abort()  # the others would wait for this one
            raise

    with ThreadPoolExecutor(size) as pool:
        found = [pool.submit(member, rank) for rank in range(size)]
    errors = [error for each in found if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error  # the cause, before those who waited for it in vain
    return [each.result() for each in found]


class _Member:
    """One of the threads."""

    def __init__(self, rank: int, barrier: Barrier, slots: list[Tensor]) -> None:
        self.rank, self.size, self._barrier, self._slots = rank, barrier.parties, barrier, slots

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum over the threads."""
        return self._all(values).sum(0)

    def max(self, values: Tensor) -> Tensor:
        """Elementwise maximum over the threads."""
        return self._all(values).amax(0)

    def _all(self, values: Tensor) -> Tensor:
        self._slots[self.rank] = values.detach().clone()
        self._barrier.wait()
        found = torch.stack(self._slots)
        self._barrier.wait()  # nobody writes again before all have read
        return found
