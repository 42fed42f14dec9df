"""Preparing batches while the model is busy with those before."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_THREADS = 8

Items = TypeVar("Items")


def ahead(prepare: Callable[[Items], Any], batches: Sequence[Items]) -> Iterator[Any]:
    """What `prepare` makes of each batch, in order, made by threads while the batches before are used.

    Args:
        prepare: such as an encoder's preparer; it is called from several threads at once.
        batches: what it is given.
    """
    threads = max(1, min(_THREADS, os.cpu_count() or 1, len(batches)))
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Any]] = deque()
        for batch in batches:
            pending.append(pool.submit(prepare, batch))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
