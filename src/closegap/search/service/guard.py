"""What stands before every route: host names, origins, sizes, time; and behind: headers, errors, figures."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from traceback import extract_tb
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from closegap.search.service.figures import REFUSED, REQUESTS, RUNNING, SECONDS
from closegap.search.service.refused import RefusedError
from closegap.search.service.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LOG = logging.getLogger(__name__)
_JSON = 256 * 2**10  # bytes of a request without images
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


class Guard:
    """An ASGI application around another.

    Args:
        app: what answers.
        settings: of the service.
    """

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app, self._settings = app, settings
        own = {"localhost", "127.0.0.1", "[::1]", settings.host.lower(), f"[{settings.host.lower()}]"}
        self._names = own | {name.lower() for name in settings.names}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 0
        ended = began + self._settings.body_seconds
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            try:
                message = await asyncio.wait_for(receive(), None if status else max(0.001, ended - time.monotonic()))
            except TimeoutError:
                raise RefusedError(408, "the request took too long to come; send it faster", _CLOSE) from None
            taken += len(message.get("body", b""))
            if taken > most:
                raise RefusedError(413, f"more than {most:,} bytes; send less", _CLOSE)
            return message

        async def sealed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower() for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in there)]
            await asyncio.wait_for(send(message), self._settings.body_seconds)

        RUNNING.inc()
        try:
            try:
                most = self._checked(scope)
                await self._app(scope, limited, sealed)
            except RefusedError as error:
                REFUSED.labels(str(error.status)).inc()
                if not status:
                    await self._told(error, scope, limited, sealed)
            except TimeoutError:  # the client does not read; uvicorn closes what was not ended
                REFUSED.labels("slow reader").inc()
            except ClientDisconnect:
                REFUSED.labels("gone").inc()
            except Exception as error:  # a trace would hold what was asked
                frame = extract_tb(error.__traceback__)[-1]
                _LOG.error("%s in %s, line %s", type(error).__name__, frame.name, frame.lineno)
        finally:
            RUNNING.dec()
            route = getattr(scope.get("route"), "path", "none")
            REQUESTS.labels(route, scope["method"] if scope["method"] in _METHODS else "other", str(status)).inc()
            SECONDS.labels(route).observe(time.monotonic() - began)

    def _checked(self, scope: Any) -> int:
        """How many bytes the body may have."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        host = headers.get(b"host", [])
        name = _HOST.fullmatch(host[0].decode("latin-1")) if len(host) == 1 else None
        if name is None or name[1].lower() not in self._names:
            raise RefusedError(400, "host: not a name of this service; start it with --name for another")
        origin = headers.get(b"origin", [])
        if origin and (len(origin) > 1 or not _same_origin(origin[0].decode("latin-1"), host[0].decode("latin-1"))):
            raise RefusedError(403, "origin: requests of other sites are not answered")
        if headers.get(b"sec-fetch-site", [b"none"])[0] in (b"cross-site", b"same-site") and scope["method"] != "GET":
            raise RefusedError(403, "origin: requests of other sites are not answered")
        upload = headers.get(b"content-type", [b""])[0].lower().startswith(b"multipart/form-data")
        most = self._settings.upload if upload else _JSON
        length = headers.get(b"content-length", [b"0"])[0]
        if not length.isdigit() or len(length) > 18 or int(length) > most:
            raise RefusedError(413, f"more than {most:,} bytes; send less", _CLOSE)
        return most

    async def _told(self, error: RefusedError, scope: Any, receive: Receive, send: Send) -> None:
        await JSONResponse({"error": error.message}, error.status, error.headers)(scope, receive, send)


_CLOSE = {"connection": "close"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _same_origin(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
