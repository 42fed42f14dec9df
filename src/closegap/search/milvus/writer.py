"""Who writes to an index in Milvus: one at a time on a machine, each commit a state that replaces the last."""

import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from closegap.data.memory import cache_folder
from closegap.disk import make_folder
from closegap.errors import ClosegapError, DataError, needs
from closegap.search.milvus.rows import absent, entities, insert, make_rows, mark, named, paged, row_of
from closegap.search.milvus.state import NEVER, Client, Part, State, make
from closegap.search.row import Batch

with needs("milvus"):
    from pymilvus import DataType, MilvusClient

_PATIENCE = 60.0  # seconds that a writer waits for another
_CHUNK = 45_000  # bytes of a correction in a row, fewer than 65,535 characters
_PAGE = 200  # rows with vectors and previews copied at a time
_TIMEOUT = 60.0


class Writer:
    """Changes of an index, each seen whole at its commit or not at all.

    Args:
        client: of the index.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._guard = threading.Lock()
        self._looked = False

    def create(self) -> None:
        """Make the index if need be."""
        with self._alone(), self._client.told() as client:
            self._client.create(client)

    def insert(self, batches: Mapping[str, Batch]) -> int:
        """See `Index.insert`."""
        given = {name: entities(name, batch) for name, batch in batches.items()}
        with self._changing() as (client, state):
            committed, total = state, 0
            place = max(state.next, time.time_ns() // 1000)  # above those of a killed writer that may yet arrive
            for name, rows in given.items():
                batch = batches[name]
                state, part = self._part(client, state, name, batch.vectors.shape[1])
                ids = [row.id for row in batch.rows]
                known = [] if absent(client, part.collection, committed.alive, ids) else ids
                there = {row_of(one).id: one for one in named(client, part.collection, committed.alive, "id", known)}
                added = [
                    {**row, "place": place + number}
                    for number, (row, one) in enumerate(zip(rows, ids, strict=True))
                    if one not in there or there[one]["digest"] != row["digest"]
                ]
                places = {row["place"] - place for row in added}
                replaced = [there[one]["place"] for number, one in enumerate(ids) if number in places and one in there]
                insert(client, part.collection, added)
                mark(client, part.collection, replaced, committed.generation + 1)
                place += len(rows)
                total += len(added)
                part = replace(part, count=part.count + len(added) - len(replaced))
                state = replace(state.with_part(name, part), unpurged=state.unpurged + len(replaced), next=place)
            self._commit(client, state)
            return total

    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        """See `Index.discard`."""
        with self._changing() as (client, state):
            members = {
                row_of(one).case
                for part in state.parts.values()
                for one in named(client, part.collection, state.alive, "group", groups)
            }
            gone, committed = 0, state
            for name, part in committed.parts.items():
                found = named(client, part.collection, committed.alive, "case", sorted({*cases, *members}))
                places = [one["place"] for one in found]
                mark(client, part.collection, places, committed.generation + 1)
                state = state.with_part(name, replace(part, count=part.count - len(places)))
                gone += len(places)
            self._commit(client, replace(state, unpurged=state.unpurged + gone))
            return gone

    def discard_partition(self, partition: str) -> None:
        """See `Index.discard_partition`."""
        with self._changing() as (client, state):
            rest = {name: part for name, part in state.parts.items() if name != partition}
            self._drop_others(client, self._commit(client, replace(state, parts=rest)))

    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        """See `Index.insert_corrections`."""
        with self._changing() as (client, state):
            if not state.corrections:
                state = self._with_corrections(client, state)
            version = state.version + 1
            self._put(client, state.corrections, version, files)
            self._commit(client, replace(state, version=version, versions=(*state.versions, version)))
            return version

    def purge(self) -> None:
        """Copy what is there to new collections, commit these, and drop the old ones."""
        with self._changing() as (client, state):
            committed = state
            state = replace(state, parts={})
            for name, part in committed.parts.items():
                state, new = self._part(client, state, name, part.width)
                for block in _blocks(paged(client, part.collection, committed.alive, ["*"], _PAGE)):
                    insert(client, new.collection, block)
                state = state.with_part(name, replace(new, count=part.count))
            if state.corrections:
                newest = corrections(client, state, state.version)
                state = self._with_corrections(client, state)
                self._put(client, state.corrections, state.version, newest)
            state = self._commit(client, replace(state, unpurged=0, versions=state.versions[-1:]))
            self._drop_others(client, state)

    def _part(self, client: MilvusClient, state: State, name: str, width: int) -> tuple[State, Part]:
        """A partition, and the state with it."""
        part = state.parts.get(name)
        if part is None:
            state = replace(state, collections=state.collections + 1)
            part = Part(self._collection(state), width, 0)
            make_rows(client, part.collection, width)
        if part.width != width:
            raise DataError(
                f"{name}: vectors of width {width} given, expected {part.width}; embed with the index's own model"
            )
        return state.with_part(name, part), part

    def _collection(self, state: State) -> str:
        return f"{self._client.address.name}_rows_{state.collections}"

    def _with_corrections(self, client: MilvusClient, state: State) -> State:
        state = replace(state, collections=state.collections + 1)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("place", DataType.INT64, is_primary=True)
        schema.add_field("version", DataType.INT64)
        for text in ("name", "content"):
            schema.add_field(text, DataType.VARCHAR, max_length=65535)
        schema.add_field("unused", DataType.FLOAT_VECTOR, dim=2)
        make(client, self._collection(state), schema, "unused")
        return replace(state, corrections=self._collection(state))

    def _put(self, client: MilvusClient, collection: str, version: int, files: Mapping[str, bytes]) -> None:
        start = time.time_ns() // 1000
        parts = [
            (name, content[at : at + _CHUNK])
            for name, content in files.items()
            for at in range(0, max(len(content), 1), _CHUNK)
        ]
        for number, (name, chunk) in enumerate(parts):
            row = {"place": start + number, "version": version, "name": name, "content": b64encode(chunk).decode()}
            client.insert(collection, [{**row, "unused": [0.0, 1.0]}], timeout=_TIMEOUT)

    def _commit(self, client: MilvusClient, state: State) -> State:
        state = replace(state, generation=state.generation + 1)
        self._client.commit(client, state)
        return state

    @contextmanager
    def _changing(self) -> Iterator[tuple[MilvusClient, State]]:
        """The client and the newest state, after what a killed writer left was taken back.

        A file is there from when somebody begins to write until that is done. Who finds it looks for what was left, and
        so does who writes for the first time, as a file of another machine is not seen.
        """
        with self._alone() as begun, self._client.told() as client:
            state = self._client.state(client)
            if not self._looked or begun.exists():
                self._repair(client, state)
            begun.touch()
            self._looked = True
            yield client, state
            begun.unlink()

    def _repair(self, client: MilvusClient, state: State) -> None:
        for part in state.parts.values():
            orphans = f"place >= {state.next}"
            if client.query(
                part.collection, filter=orphans, output_fields=["place"], limit=1, consistency_level="Strong"
            ):
                client.delete(part.collection, filter=orphans, timeout=_TIMEOUT)
            undone = f"died > {state.generation} and died < {NEVER}"
            mark(client, part.collection, [one["place"] for one in paged(client, part.collection, undone, [])], NEVER)
        if state.corrections:
            client.delete(state.corrections, filter=f"version > {state.version}", timeout=_TIMEOUT)
        self._drop_others(client, state)

    def _drop_others(self, client: MilvusClient, state: State) -> None:
        for name in self._client.others(client, state):
            client.drop_collection(name, timeout=_TIMEOUT)

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """Nobody else on this machine writes to the index; the file that is there while somebody does."""
        address = self._client.address
        folder = cache_folder() / "locks"
        make_folder(folder)
        path = folder / f"{sha256(str(address).encode()).hexdigest()[:32]}.lock"
        with self._guard:
            try:
                with FileLock(path, timeout=_PATIENCE):
                    yield path.with_suffix(".begun")
            except Timeout:
                raise ClosegapError(
                    f"{address}: another process has been writing for {_PATIENCE:.0f} s; wait until it is done"
                ) from None


def corrections(client: MilvusClient, state: State, version: int) -> dict[str, bytes]:
    """The files of a version."""
    if not state.corrections:
        return {}
    found: dict[str, bytes] = {}
    rows = paged(client, state.corrections, f"version == {version}", ["name", "content"], _PAGE)
    for row in sorted(rows, key=lambda row: row["place"]):
        found[row["name"]] = found.get(row["name"], b"") + b64decode(row["content"])
    return dict(sorted(found.items()))


def _blocks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    block: list[dict[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _PAGE:
            yield block
            block = []
    if block:
        yield block
