"""Threads share memory: as many at once as fit, and one that fits nowhere alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

import pytest

from closegap.kinds.room import Room


@pytest.mark.parametrize(("sizes", "most"), [([40] * 12, 80), ([100, 30, 30, 500, 30], 500), ([1] * 9, 9)])
def test_what_is_held_at_once_fits_or_is_alone(sizes: list[int], most: int) -> None:
    room, lock, held, seen = Room(100), Lock(), list[int](), list[list[int]]()

    def work(size: int) -> None:
        with room.taken(size):
            with lock:
                held.append(size)
                seen.append(list(held))
            sleep(0.01)
            with lock:
                held.remove(size)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, sizes))
    assert len(seen) == len(sizes)
    assert all(sum(some) <= 100 or len(some) == 1 for some in seen)
    assert max(map(sum, seen)) <= most


def test_it_is_given_back_after_an_error() -> None:
    room = Room(10)
    with pytest.raises(KeyError), room.taken(10):
        raise KeyError
    with room.taken(10):
        pass
