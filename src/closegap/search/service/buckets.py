"""Token buckets: how often each client may ask."""

import threading
import time
from collections import OrderedDict

_MOST = 10_000  # clients that are remembered


class Buckets:
    """A bucket for each client, which fills with time.

    Args:
        rate: tokens a second.
        burst: that a bucket holds.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, client: str, now: float | None = None) -> float:
        """Take a token: 0 where there was one, else the seconds until there will be.

        Example:
            >>> buckets = Buckets(rate=2, burst=1)
            >>> buckets.wait("a", now=0), buckets.wait("a", now=0), buckets.wait("b", now=0), buckets.wait("a", now=1)
            (0.0, 0.5, 0.0, 0.0)
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            there, since = self._held.pop(client, (float(self._burst), now))
            there = min(float(self._burst), there + (now - since) * self._rate)
            taken = there >= 1
            self._held[client] = (there - taken, now)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return 0.0 if taken else (1 - there) / self._rate
