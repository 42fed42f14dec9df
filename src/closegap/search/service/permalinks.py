"""Questions that a link leads back to, kept in memory for a while."""

import secrets
import threading
import time
from collections import OrderedDict
from typing import Any

_MOST = 2000
_SECONDS = 12 * 3600


class Permalinks:
    """The newest questions by a token that tells nothing of them."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, question: Any) -> str:
        """The token of a question."""
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._held[token] = (time.monotonic() + _SECONDS, question)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return token

    def get(self, token: str) -> Any:
        """The question; None where it is gone."""
        with self._lock:
            until, question = self._held.get(token, (0.0, None))
            return question if time.monotonic() < until else None
