"""What the routes of a worker share."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from closegap.errors import ClosegapError
from closegap.search.archive.archive import Archive
from closegap.search.service.answered import answered, opened
from closegap.search.service.buckets import Buckets
from closegap.search.service.held import Held
from closegap.search.service.keys import Key, Keys, Role
from closegap.search.service.permalinks import Permalinks
from closegap.search.service.refused import RefusedError
from closegap.search.service.settings import Settings
from closegap.search.service.shared import Shared
from closegap.search.service.trail import Trail

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_AT_ONCE = 8  # questions that are answered at the same time
_WAITING = 64  # that wait for their turn
_LOCAL = Key("local", "local", "admin", "", "", "")


class Service:
    """An archive, who may ask it, how often, and where it is written down.

    Args:
        settings: of the service.

    Raises:
        ClosegapError: the archive cannot be opened, or the audit log not be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.held = Held(settings.folder, settings.trusted)
        self._shared = Shared(Path(settings.shared) if settings.shared else None)
        self.links = Permalinks(self._shared)
        self.trail = Trail(Path(settings.log)) if settings.log else None
        self.writing = threading.Lock()
        self._keys = Keys(Path(settings.keys)) if settings.keys else None
        self._buckets = Buckets(self._shared, settings.rate, settings.burst)
        self._slots = anyio.CapacityLimiter(_AT_ONCE)

    def close(self) -> None:
        """Let go of the archive, and of what workers share."""
        self.held.close()
        self._shared.close()

    def caller(self, request: Request, role: Role) -> Key:
        """Whose request it is.

        Raises:
            RefusedError: nobody's who may do that, or one too many.
        """
        key = _LOCAL if self._keys is None else self._presented(request)
        if not key.may(role):
            raise RefusedError(403, f"the key is of a {key.role}, expected one of a {role}")
        wait = self._buckets.wait(key.id)
        if wait:
            raise RefusedError(429, "too many requests; wait", {"retry-after": str(int(wait) + 1)})
        return key

    async def archive(self, work: Callable[[Archive], T], given: Sequence[str] = ()) -> T:
        """What some work on the archive gives, in a thread.

        Args:
            work: is given the archive.
            given: what the client wrote, which no message repeats.

        Raises:
            RefusedError: what was asked is not in the archive, or it does not answer, or too many wait.
        """
        if self._slots.statistics().tasks_waiting >= _WAITING:
            raise RefusedError(503, "too many questions at once; try again", {"retry-after": "1"})

        def used() -> T:
            with ExitStack() as stack:
                archive = opened(lambda: stack.enter_context(self.held.use()))
                return answered(lambda: work(archive), given)

        return await anyio.to_thread.run_sync(used, limiter=self._slots)

    def note(self, key: Key, action: str, content: bytes = b"", ids: Sequence[str] = (), **more: Any) -> None:
        """Write down what is about to be returned.

        Raises:
            RefusedError: it cannot be written down.
        """
        if self.trail is None:
            return
        told = {"who": key.name, "key": key.id, "action": action, "digest": self.trail.digest(content)}
        try:
            self.trail.append({**told, "ids": list(ids), **more})
        except ClosegapError as error:
            _LOG.error("audit log: %s", error)
            raise RefusedError(503, "the audit log cannot be written; nothing is answered without it") from None

    def _presented(self, request: Request) -> Key:
        assert self._keys is not None
        given = request.headers.getlist("authorization")
        scheme, _, value = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        try:
            found = self._keys.of(value.strip()) if scheme.lower() == "bearer" else None
        except ClosegapError as error:
            _LOG.error("keys: %s", error)
            raise RefusedError(503, "keys cannot be checked; try again") from None
        if found is None:
            raise RefusedError(401, "no key, or one that is not known; send `Authorization: Bearer KEY`", _BEARER)
        return found


_BEARER = {"www-authenticate": "Bearer"}
