"""Questions that a link leads back to, kept for a while."""

import json
import secrets
import time
import zlib
from typing import Any

from closegap.search.service.shared import Shared

_MOST = 2000
_BYTES = 32 * 2**20  # of all
_SECONDS = 12 * 3600
_FORGET = """
DELETE FROM links WHERE until < ? OR number <= coalesce((
    SELECT max(number) FROM (
        SELECT number, row_number() OVER newest AS place, sum(length(question)) OVER newest AS size
        FROM links WINDOW newest AS (ORDER BY number DESC)
    ) WHERE place > ? OR size > ?
), 0)
"""


class Permalinks:
    """The newest questions by a token that tells nothing of them; any worker knows those of all.

    Args:
        shared: that keeps them.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def put(self, question: Any) -> str:
        """The token of a question, which is JSON."""
        token, now = secrets.token_urlsafe(12), time.monotonic()
        content = zlib.compress(json.dumps(question).encode(), 1)
        with self._shared.change() as database:
            database.execute("INSERT INTO links VALUES (NULL, ?, ?, ?)", [token, now + _SECONDS, content])
            database.execute(_FORGET, [now, _MOST, _BYTES])
        return token

    def get(self, token: str) -> Any:
        """The question; None where it is gone.

        Example:
            >>> links = Permalinks(Shared())
            >>> links.get(links.put({"k": 5})), links.get("none")
            ({'k': 5}, None)
        """
        with self._shared.change() as database:
            found = database.execute("SELECT until, question FROM links WHERE token = ?", [token]).fetchone()
        return json.loads(zlib.decompress(found[1])) if found and time.monotonic() < found[0] else None
