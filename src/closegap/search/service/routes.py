"""The routes of `closegap serve`."""

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from closegap.search.archive.archive import Archive
from closegap.search.archive.shown import media_type
from closegap.search.archive.words import archived_words
from closegap.search.row import Row
from closegap.search.service.figures import ROWS, VERSION, exposed
from closegap.search.service.form import content_of
from closegap.search.service.pictures import picture
from closegap.search.service.question import Question, parse_question, query_of
from closegap.search.service.refused import RefusedError
from closegap.search.service.service import Service
from closegap.search.service.shapes import answer_shape, archive_shape, is_picture, item_shape

_JSON = {"schema": Question.model_json_schema()}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "the JSON of a question"},
            "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
    }
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _JSON, "multipart/form-data": _FORM}}}
_LONGEST = 512  # characters of a name in a path


def routes(service: Service) -> APIRouter:
    """All that is answered in JSON.

    Args:
        service: that answers.
    """
    router, described = APIRouter(), dict[str, tuple[Any, dict[str, Any]]]()

    def kept(what: str, archive: Archive, make: Callable[[Archive], dict[str, Any]]) -> dict[str, Any]:
        """What is made of an archive, until it changes."""
        found = archive.stats()
        state = (id(archive), found.version, found.unpurged, *found.rows.items())
        if described.get(what, (None, {}))[0] != state:
            described[what] = state, make(archive)
        return described[what][1]

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        """Whether the archive answers."""
        await service.archive(lambda archive: archive.stats())
        return {"status": "ready"}

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus; role admin."""
        service.caller(request, "admin")

        def counted(archive: Archive) -> None:
            VERSION.set(archive.stats().version)
            for name, count in archive.rows().items():
                ROWS.labels(name).set(count)

        await service.archive(counted)
        return Response(exposed(), media_type="text/plain; version=0.0.4")

    @router.get("/v1/archive")
    async def archive(request: Request) -> dict[str, Any]:
        """What there is to be asked."""
        key = service.caller(request, "reader")

        shape = await service.archive(lambda archive: kept("archive", archive, archive_shape))
        service.note(key, "archive")
        return shape

    @router.get("/v1/codes")
    async def codes(request: Request) -> dict[str, str]:
        """Words that the archive's texts have with its codes."""
        key = service.caller(request, "reader")
        words = await service.archive(lambda archive: kept("codes", archive, archived_words))
        service.note(key, "codes")
        return words

    @router.post("/v1/search", openapi_extra=_BODY)
    async def search(request: Request) -> dict[str, Any]:
        """The hits of a question, with and without corrections."""
        key, began = service.caller(request, "reader"), time.monotonic()
        content, images = await content_of(request)
        question = parse_question(content, service.settings.most)

        def asked(archive: Archive) -> dict[str, Any]:
            seen = [picture(image, service.settings.pixels) for image in images]
            corrected, raw = archive.answers(query_of(question, seen, archive), ("corrected", "cosine"))
            return answer_shape(corrected, raw, archive, service.settings.secret)

        answer = await service.archive(asked, question.given)
        hits = {f"{hit['modality']}/{hit['id']}": None for name in ("corrected", "raw") for hit in answer[name]}
        service.note(key, "search", b"\0".join([question.model_dump_json().encode(), *images]), list(hits))
        asked_for = None if images else question.model_dump(by_alias=True)
        token = service.links.put({"query": asked_for, "answer": answer} if images else {"query": asked_for})
        return {"token": token, **answer, "seconds": time.monotonic() - began}

    @router.get("/v1/permalinks/{token}")
    async def permalink(request: Request, token: str) -> dict[str, Any]:
        """The question of a link; one with images comes with its answer."""
        key = service.caller(request, "reader")
        found: dict[str, Any] | None = service.links.get(token)
        if found is None:
            raise RefusedError(404, "the link is gone; ask again")
        service.note(key, "permalink")
        return found

    @router.get("/v1/items/{modality}/{id:path}/thumbnail")
    async def thumbnail(request: Request, modality: str, id: str) -> Response:
        """The picture of an item."""
        key = service.caller(request, "reader")

        def found(archive: Archive) -> tuple[bytes, bool]:
            _, preview = _item(archive, modality, id)
            return preview, archive.about.modalities[modality].visual

        preview, visual = await service.archive(found, [modality, id])
        if not is_picture(preview, visual):
            raise RefusedError(404, "no picture is kept of the item")
        service.note(key, "thumbnail", ids=[f"{modality}/{id}"])
        return Response(preview, media_type=media_type(preview, visual))

    @router.get("/v1/items/{modality}/{id:path}")
    async def item(request: Request, modality: str, id: str) -> dict[str, Any]:
        """An item: what filters know of it, and its text."""
        key = service.caller(request, "reader")
        found = await service.archive(
            lambda archive: item_shape(archive, modality, *_item(archive, modality, id)), [modality, id]
        )
        service.note(key, "item", ids=[f"{modality}/{id}"])
        return found

    @router.get("/v1/items/{id}")
    async def first_item(request: Request, id: str) -> dict[str, Any]:
        """The item of the first modality that has it."""
        key = service.caller(request, "reader")

        def first(archive: Archive) -> dict[str, Any]:
            for modality in archive.modalities:
                if modality in archive.stats().widths and _known(id) and archive.index.read(modality, [id]).rows:
                    return item_shape(archive, modality, *_item(archive, modality, id))
            raise RefusedError(404, "no item of that id")

        found = await service.archive(first, [id])
        service.note(key, "item", ids=[f"{found['modality']}/{id}"])
        return found

    @router.get("/v1/cases/{id:path}")
    async def case(request: Request, id: str) -> dict[str, Any]:
        """All items of a case."""
        key = service.caller(request, "reader")
        items = await service.archive(lambda archive: _case(archive, id), [id])
        service.note(key, "case", ids=[f"{one['modality']}/{one['id']}" for one in items])
        return {"case": id, "items": items}

    @router.delete("/v1/cases/{id:path}")
    async def delete(request: Request, id: str) -> dict[str, int]:
        """Forget a case in all modalities; role writer. Its bytes stay until a purge."""
        key = service.caller(request, "writer")
        service.note(key, "delete", id.encode(), [id])
        rows = await service.archive(lambda _: _changed(service, lambda archive: archive.delete([id])), [id])
        if not rows:
            raise RefusedError(404, "no case of that id")
        return {"rows": rows}

    @router.post("/v1/purge")
    async def purge(request: Request) -> dict[str, int]:
        """Erase what was deleted; role admin."""
        key = service.caller(request, "admin")
        service.note(key, "purge")

        def purged(archive: Archive) -> int:
            before = archive.stats().unpurged
            archive.purge()
            return before

        return {"rows": await service.archive(lambda _: _changed(service, purged))}

    return router


def _changed(service: Service, change: Any) -> int:
    with service.writing, Archive(service.settings.folder, "write", service.settings.trusted) as archive:
        done: int = change(archive)
        return done


def _known(name: str) -> bool:
    return 0 < len(name) <= _LONGEST and name.isprintable()


def _item(archive: Archive, modality: str, id: str) -> tuple[Row, bytes]:
    there = modality in archive.modalities and modality in archive.stats().widths
    found = archive.index.read(modality, [id]) if there and _known(id) else None
    if found is None or not found.rows:
        raise RefusedError(404, "no item of that modality and id")
    return found.rows[0], bytes(found.previews[0]) if found.previews else b""


def _case(archive: Archive, id: str) -> list[dict[str, Any]]:
    widths, items = archive.stats().widths, []
    for modality in archive.modalities:
        names = archive.index.ids(modality, [id]) if modality in widths and _known(id) else []
        read = archive.index.read(modality, names) if names else None
        if read is not None:
            shown = zip(read.rows, read.previews or (), strict=True)
            items += [item_shape(archive, modality, row, bytes(preview)) for row, preview in shown]
    if not items:
        raise RefusedError(404, "no case of that id")
    return items
