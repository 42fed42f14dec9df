"""The engine in Milvus, for archives that one machine does not hold."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from closegap.errors import UsageError, needs
from closegap.search.checks import checked_queries
from closegap.search.filter import Filter, holds
from closegap.search.index import Index, unknown
from closegap.search.milvus.address import Address
from closegap.search.milvus.nearest import Best, nearest
from closegap.search.milvus.rows import arrays, named, paged, preview_of, row_of
from closegap.search.milvus.state import Client, Part, State
from closegap.search.milvus.writer import Writer, corrections
from closegap.search.row import Batch, Found, Stats

with needs("milvus"):
    from pymilvus import MilvusClient


class MilvusIndex(Index):
    """An index in collections of a Milvus server, for as many readers as like to, and one writer a machine.

    Milvus has no transactions. What is committed stands in one row of a collection of states, appended last; a reader
    takes the newest, and the conditions of its searches leave out rows that came or went later. Searches compare all
    rows in single precision, and the best again in double.

    Args:
        url: `milvus://user:password@host:port`, or `milvus:///path/to/file.db` for milvus-lite in this process, and
            `?name=NAME` (`closegap` by default), `database=NAME`, `secure=true`.
        mode: "read" one that is there, or "write" to one, which is made if need be.

    Raises:
        UsageError: no index to read, another mode, an address that cannot be read.
        UnavailableError: the server does not answer.
    """

    def __init__(self, url: str, mode: Literal["read", "write"] = "read") -> None:
        if mode not in ("read", "write"):
            raise UsageError(f"mode: {mode!r} given, expected 'read' or 'write'")
        self._address, self._mode = Address.of(url), mode
        self._client = Client(self._address)
        self._writer = Writer(self._client)
        if mode == "write":
            self._writer.create()
        else:
            with self._client.told() as client:
                there = self._client.exists(client)
            if not there:
                raise UsageError(f"{self._address}: no index; build one, or name one")

    def __repr__(self) -> str:
        return f"MilvusIndex({self._address.shown!r}, {self._mode!r})"

    def corrections(self, version: int | None = None) -> dict[str, bytes]:
        """See `Index.corrections`."""

        def look(client: "MilvusClient", state: State) -> dict[str, bytes]:
            if version is not None and version not in state.versions:
                raise UsageError(
                    f"corrections: no version {version}, the newest is {state.version}; name one that was not purged"
                )
            return corrections(client, state, state.version if version is None else version)

        return self._client.seen(look)

    def ids(self, partition: str, cases: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
        """See `Index.ids`."""

        def look(client: "MilvusClient", state: State) -> list[str]:
            collection = _named(state, partition).collection
            if cases is None:
                found = paged(client, collection, state.alive, ["known"])
            else:
                found = named(client, collection, state.alive, "case", list(dict.fromkeys(cases)))
            return [row_of(one).id for one in sorted(found, key=lambda one: one["place"])[:limit]]

        return self._client.seen(look)

    def read(self, partition: str, ids: Sequence[str]) -> Batch:
        """See `Index.read`."""

        def look(client: "MilvusClient", state: State) -> Batch:
            part, wanted = _named(state, partition), list(dict.fromkeys(ids))
            fields = ["preview", "vector"]
            there = {row_of(one).id: one for one in named(client, part.collection, state.alive, "id", wanted, fields)}
            found = [there[name] for name in ids if name in there]
            vectors, _ = arrays(found, part.width)
            return Batch([row_of(one) for one in found], vectors, [preview_of(one) for one in found])

        return self._client.seen(look)

    def purge(self) -> None:
        """See `Index.purge`. The collections with what was deleted are dropped; a server erases their files later."""
        self._expect_writing()
        self._writer.purge()

    def stats(self) -> Stats:
        """See `Index.stats`; the size is that of the vectors, as Milvus does not say its own."""
        return self._client.seen(
            lambda client, state: Stats(
                {name: part.width for name, part in state.parts.items()},
                {name: part.count for name, part in state.parts.items()},
                state.unpurged,
                state.version,
                sum(4 * part.width * part.count for part in state.parts.values()),
            )
        )

    def close(self) -> None:
        """See `Index.close`."""
        self._client.close()

    def insert(self, batches: Mapping[str, Batch]) -> int:
        """See `Index.add`."""
        self._expect_writing()
        return self._writer.insert(batches) if batches else 0

    def nearest(
        self, partition: str, queries: Float[np.ndarray, "q d"], k: int, where: Filter | None, exact: bool
    ) -> Found:
        """See `Index.search`; always exact. Conditions are evaluated here, on rows as they come in order of score."""

        def look(client: "MilvusClient", state: State) -> list[Best]:
            part = _named(state, partition)
            return nearest(client, state, part, checked_queries(partition, queries, part.width), k, where)

        found = self._client.seen(look)
        scores = np.full((len(found), max((len(rows) for _, rows in found), default=0)), -np.inf, np.float32)
        for number, (best, _) in enumerate(found):
            scores[number, : len(best)] = best
        return Found(scores, [rows for _, rows in found])

    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        """See `Index.delete`."""
        self._expect_writing()
        return self._writer.discard(cases, groups)

    def discard_partition(self, partition: str) -> None:
        """See `Index.drop`."""
        self._expect_writing()
        self._writer.discard_partition(partition)

    def matching(self, partition: str, where: Filter | None) -> int:
        """See `Index.count`."""

        def look(client: "MilvusClient", state: State) -> int:
            part = _named(state, partition)
            if where is None:
                return part.count
            return sum(
                holds(where, row_of(one).values) for one in paged(client, part.collection, state.alive, ["known"])
            )

        return self._client.seen(look)

    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        """See `Index.put_corrections`."""
        self._expect_writing()
        return self._writer.insert_corrections(files)

    def _width(self, partition: str) -> int:
        """As it was last seen, which saves a search a question to the server; `nearest` looks at what it is now."""
        known = self._client.last
        if known is not None and partition in known.parts:
            return known.parts[partition].width
        return super()._width(partition)

    def _expect_writing(self) -> None:
        if self._mode != "write":
            raise UsageError(f"{self._address}: was opened to be read; open it with mode='write'")


def _named(state: State, partition: str) -> Part:
    if partition not in state.parts:
        raise UsageError(unknown(partition, state.parts))
    return state.parts[partition]
