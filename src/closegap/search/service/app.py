"""The application that a worker runs."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from closegap.errors import ClosegapError
from closegap.search.service.guard import Guard
from closegap.search.service.pages import pages
from closegap.search.service.refused import RefusedError
from closegap.search.service.routes import routes
from closegap.search.service.service import Service
from closegap.search.service.settings import Settings

_LOG = logging.getLogger(__name__)
_SAID = {404: "no such page; see /docs", 405: "not with this method; see /docs"}


def application() -> Any:
    """The application of the settings that this process finds in its environment."""
    return of_settings(Settings.taken())


def of_settings(settings: Settings) -> Guard:
    """The application.

    Args:
        settings: of the service.
    """
    service = Service(settings)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(title="closegap", docs_url=None, redoc_url=None, lifespan=life, redirect_slashes=False)
    app.include_router(routes(service))
    app.include_router(pages(Path(__file__).parent))
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _no_page)
    app.add_exception_handler(ClosegapError, _failed)
    app.add_exception_handler(Exception, _unforeseen)
    return Guard(app, settings)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": error.message}, error.status, error.headers)


async def _no_page(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": _SAID.get(error.status_code, "not understood; see /docs")}, error.status_code)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s: %s", getattr(request.scope.get("route"), "path", "none"), type(error).__name__)
    return JSONResponse({"error": "the archive does not answer; try again"}, 503, {"retry-after": "2"})


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "something unforeseen happened; it is logged without what was asked"}, 500)
