"""The body of a question: JSON, or a form with images, which never become files."""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from closegap.search.service.refused import RefusedError

_IMAGES = 8
_QUERY = 256 * 2**10


class _InMemory(MultiPartParser):
    """A parser that keeps what the guard lets through in memory."""

    spool_max_size = 2**40


async def content_of(request: Request) -> tuple[bytes, list[bytes]]:
    """The JSON, and the images' bytes.

    Raises:
        RefusedError: neither JSON nor such a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await request.body(), []
    if kind != "multipart/form-data":
        raise RefusedError(415, "content-type: expected application/json, or multipart/form-data with images")
    try:
        parser = _InMemory(request.headers, request.stream(), max_files=_IMAGES, max_fields=1, max_part_size=_QUERY)
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, LookupError):
        raise RefusedError(400, f"form: expected one field `query`, and at most {_IMAGES} files `image`") from None
    query: Any = form.get("query")
    if isinstance(query, UploadFile):
        query = (await query.read()).decode(errors="replace")
    others = [name for name, value in form.multi_items() if name not in ("query", "image")]
    files = list(form.getlist("image"))
    if others or any(not isinstance(value, UploadFile) for value in files):
        raise RefusedError(400, "form: expected a field `query` and files `image` alone")
    images = [await value.read() for value in files if isinstance(value, UploadFile)]
    await form.close()
    return (query or "{}").encode(errors="replace"), images
