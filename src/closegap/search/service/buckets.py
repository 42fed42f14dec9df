"""Token buckets: how often each client may ask."""

import time

from closegap.search.service.shared import Shared


class Buckets:
    """A bucket for each client, which fills with time; one for all workers.

    Args:
        shared: that keeps them.
        rate: tokens a second.
        burst: that a bucket holds.
    """

    def __init__(self, shared: Shared, rate: float, burst: int) -> None:
        self._shared, self._rate, self._burst = shared, rate, burst

    def wait(self, client: str, now: float | None = None) -> float:
        """Take a token: 0 where there was one, else the seconds until there will be.

        Example:
            >>> buckets = Buckets(Shared(), rate=2, burst=1)
            >>> buckets.wait("a", now=0), buckets.wait("a", now=0), buckets.wait("b", now=0), buckets.wait("a", now=1)
            (0.0, 0.5, 0.0, 0.0)
        """
        now = time.monotonic() if now is None else now
        with self._shared.change() as database:
            held = database.execute("SELECT tokens, since FROM buckets WHERE client = ?", [client]).fetchone()
            tokens, since = held or (self._burst, now)
            there = min(float(self._burst), tokens + max(0.0, now - since) * self._rate)
            taken = there >= 1
            database.execute("REPLACE INTO buckets VALUES (?, ?, ?)", [client, there - taken, now])
        return 0.0 if taken else (1 - there) / self._rate
