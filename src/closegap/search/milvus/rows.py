"""Rows as entities of a collection: numbers that stand for names, and texts that hold the rest."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closegap.errors import DataError, needs
from closegap.search.milvus.state import NEVER, make
from closegap.search.ordered import fingerprint
from closegap.search.row import Batch, Row

with needs("milvus"):
    from pymilvus import DataType, MilvusClient

_TEXT = 65535  # bytes, that Milvus allows
_KEYS = 500  # names in a condition
_PAGE = 8000  # rows of a query, of which Milvus allows 16,384
_BATCH = 100  # rows with vector and preview in a message
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Kept:
    """A row as it lies in a collection."""

    place: int
    row: Row
    digest: str


def make_rows(client: MilvusClient, name: str, width: int) -> None:
    """Make a collection of rows."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("place", DataType.INT64, is_primary=True)
    for number in ("died", "id_key", "case_key", "group_key"):
        schema.add_field(number, DataType.INT64)
    for text in ("known", "digest", "preview"):
        schema.add_field(text, DataType.VARCHAR, max_length=_TEXT)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)
    make(client, name, schema, "vector")


def entities(partition: str, batch: Batch) -> list[dict[str, Any]]:
    """The rows of a batch, without places.

    Raises:
        DataError: a row is longer than Milvus allows.
    """
    found = []
    previews = [bytes(preview) for preview in batch.previews or [b""] * len(batch.rows)]
    for row, vector, preview in zip(batch.rows, batch.vectors, previews, strict=True):
        known = json.dumps([row.id, row.case, row.group, dict(row.payload)])
        shown = b64encode(preview).decode()
        for what, text in (("payload", known), ("preview", shown)):
            if len(text) > _TEXT:
                raise DataError(
                    f"{partition}: row {row.id!r} has a {what} of {len(text):,} characters, of which Milvus keeps "
                    f"{_TEXT:,}; make it smaller"
                )
        found.append(
            {
                "died": NEVER,
                "id_key": key(row.id),
                "case_key": key(row.case),
                "group_key": key(row.group),
                "known": known,
                "digest": fingerprint(row, vector, preview).hex(),
                "preview": shown,
                "vector": vector,
            }
        )
    return found


def insert(client: MilvusClient, collection: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert entities, some at a time."""
    for start in range(0, len(rows), _BATCH):
        client.insert(collection, list(rows[start : start + _BATCH]), timeout=_TIMEOUT)


def mark(client: MilvusClient, collection: str, places: Sequence[int], died: int) -> None:
    """Say when rows died: they are read and written back as a whole, which servers before Milvus 2.6 allow, too."""
    for start in range(0, len(places), _BATCH):
        rows = client.query(
            collection,
            filter=f"place in {list(places[start : start + _BATCH])}",
            output_fields=["*"],
            consistency_level="Strong",
            timeout=_TIMEOUT,
        )
        client.upsert(collection, [{**row, "died": died} for row in rows], timeout=_TIMEOUT)


def named(
    client: MilvusClient, collection: str, alive: str, field: str, names: Sequence[str], fields: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """The rows of these ids, cases or groups, as Milvus gives them."""
    where = {"id": 0, "case": 1, "group": 2}[field]
    for start in range(0, len(names), _KEYS):
        wanted = set(names[start : start + _KEYS])
        keys = sorted({key(name) for name in wanted})
        condition = f"{alive} and {field}_key in {keys}"
        for found in paged(client, collection, condition, ["known", "digest", *fields]):
            if json.loads(found["known"])[where] in wanted:
                yield found


def absent(client: MilvusClient, collection: str, alive: str, ids: Sequence[str]) -> bool:
    """Whether surely none of these ids is there, as with most batches: quicker asked than what is."""
    keys = [key(one) for one in ids]
    return not any(
        client.query(
            collection,
            filter=f"{alive} and id_key in {keys[start : start + _PAGE]}",
            output_fields=["place"],
            limit=1,
            consistency_level="Strong",
            timeout=_TIMEOUT,
        )
        for start in range(0, len(keys), _PAGE)
    )


def paged(
    client: MilvusClient, collection: str, condition: str, fields: Sequence[str], page: int = _PAGE
) -> Iterator[dict[str, Any]]:
    """All rows that satisfy a condition, in the order of their places."""
    iterator = client.query_iterator(
        collection, batch_size=page, filter=condition, output_fields=["place", *fields], consistency_level="Strong"
    )
    try:
        while found := iterator.next():
            yield from sorted(found, key=lambda row: row["place"])
    finally:
        iterator.close()


def row_of(found: dict[str, Any]) -> Row:
    """What is known of a row."""
    return Row(*json.loads(found["known"]))


def preview_of(found: dict[str, Any]) -> bytes:
    """What is shown of a row."""
    return b64decode(found["preview"])


def arrays(found: Sequence[dict[str, Any]], width: int) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n"]]:
    """Vectors and places."""
    vectors = np.array([row["vector"] for row in found], np.float32).reshape(len(found), width)
    return vectors, np.array([row["place"] for row in found], np.int64)


def key(name: str) -> int:
    """A number that stands for a name in conditions: 63 bits of its digest."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") >> 1
