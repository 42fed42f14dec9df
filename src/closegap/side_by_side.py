"""Whole pieces of work on several cores at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
    """What `work` gives for each piece, in their order, on as many cores as PyTorch may use.

    One core for a piece does more than all cores for one piece after the other, where a piece is of many operations
    that are too small to be divided. The first piece that fails is raised; those that have not begun are left.

    Args:
        work: a function that PyTorch, NumPy or SciPy spends its time in, since only these leave other threads alone.
        pieces: what it is called with.
    """
    given, cores = list(pieces), torch.get_num_threads()
    workers = min(cores, len(given))
    if workers < 2:
        yield from map(work, given)
        return
    share = cores // workers
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(share,))
    try:
        with threadpool_limits(share, "blas"):  # NumPy's and SciPy's: each worker would start threads for all cores
            yield from pool.map(work, given)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)  # a worker's number becomes that of all threads to come
