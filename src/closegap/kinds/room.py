"""Memory that threads share."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Room:
    """So many bytes, taken by whoever needs some; who finds too little waits, but for nobody else's sake alone.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size, self._taken, self._changed = size, 0, Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold `size` bytes; more than there are only while nobody else holds any.

        Args:
            size: in bytes; a thread that holds some must not ask for more.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()
