"""The page, and the one that lists the routes: files of the package, named here and nowhere opened by path."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from closegap.search.service.refused import RefusedError

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def pages(folder: Path) -> APIRouter:
    """Routes of the static files in `web` and `docs` below a folder.

    Args:
        folder: read once.
    """
    web, docs = _files(folder / "web"), _files(folder / "docs")
    router = APIRouter(include_in_schema=False)

    def page() -> Response:
        return _sent(web, "index.html")

    def static(name: str) -> Response:
        return _sent(web, name)

    def listing() -> Response:
        return _sent(docs, "index.html")

    def listed(name: str) -> Response:
        return _sent(docs, name)

    router.add_api_route("/", page, methods=["GET", "HEAD"])
    router.add_api_route("/static/{name:path}", static)
    router.add_api_route("/docs", listing)
    router.add_api_route("/docs/{name}", listed)
    return router


def _files(folder: Path) -> dict[str, tuple[bytes, str]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def _sent(files: dict[str, tuple[bytes, str]], name: str) -> Response:
    if name not in files:
        raise RefusedError(404, "no such page; see /docs")
    content, kind = files[name]
    return Response(content, headers={"content-type": kind, "cache-control": "no-cache"})
