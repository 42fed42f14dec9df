"""What is committed: the newest of the states that are appended to one collection, each in a row of its own."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from closegap.errors import ClosegapError, DataError, UnavailableError, needs
from closegap.search.milvus.address import Address

with needs("milvus"):
    import grpc
    from pymilvus import DataType, MilvusClient, MilvusException

T = TypeVar("T")
NEVER = 2**62
_FORMAT = 1
_KEPT = 16  # states, for those who read one
_GONE = (4, 100)  # codes of Milvus: no such collection
_TIMEOUT = 30.0  # seconds of a call
_PINGS = {"grpc.keepalive_time_ms": 330_000}  # more than one in five minutes has some servers break off


@dataclass(frozen=True)
class Part:
    """A partition: the collection that holds it, the width of its vectors, and how many rows are there."""

    collection: str
    width: int
    count: int


@dataclass(frozen=True)
class State:
    """A committed state. Rows from place `next` on, and what died after `generation`, are not of it.

    Args:
        generation: grows by one.
        next: the place above those of all rows.
        unpurged: rows that died and are kept.
        collections: made so far, for new names.
        version: of the corrections.
        versions: that are kept.
        corrections: the collection that holds them.
        parts: the partitions, in the order in which they were made.
    """

    generation: int = 0
    next: int = 0
    unpurged: int = 0
    collections: int = 0
    version: int = 0
    versions: tuple[int, ...] = ()
    corrections: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def alive(self) -> str:
        """The condition that rows of this state satisfy."""
        return f"place < {self.next} and died > {self.generation}"

    def with_part(self, name: str, part: Part) -> "State":
        """The same with a partition as it is now."""
        return replace(self, parts={**self.parts, name: part})


class Client:
    """A server, and the states of an index in it.

    Args:
        address: of the index.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._states = f"{address.name}_states"
        self.last: State | None = None  # the newest, when it was last read or committed
        self._guard = threading.Lock()
        self._client: MilvusClient | None = None
        self._closed = False

    @contextmanager
    def told(self) -> Iterator[MilvusClient]:
        """The client of pymilvus; what it raises becomes an error of ours, in one line.

        Raises:
            DataError: a collection is missing.
            UnavailableError: the server does not answer, or breaks off.
        """
        try:
            yield self._connected()
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            if isinstance(error, MilvusException) and error.code in _GONE:
                raise DataError(
                    f"{self.address}: a collection of the index is missing; take it from a backup"
                ) from None
            code = getattr(error, "code", None)
            self._forget()
            raise UnavailableError(
                f"{self.address}: the server does not answer ({type(error).__name__}, code "
                f"{code() if callable(code) else code}); ask again when it does"
            ) from None

    def seen(self, look: Callable[[MilvusClient, State], T]) -> T:
        """What is found in the newest committed state.

        Milvus answers what is to be up to date at its next tick, so two questions are asked at once: what is found in
        the state that was the newest before, and whether it still is. What fails in a state that is no longer the
        newest, whose collections a purge may have dropped, is looked for again.

        Raises:
            DataError: a collection is missing.
            UnavailableError: the server does not answer, or breaks off.
        """
        with self.told() as client:
            while True:
                before = self.last
                with ThreadPoolExecutor(1) as beside:
                    early = beside.submit(look, client, before) if before else None
                    state = self.state(client)
                try:
                    return early.result() if early and state == before else look(client, state)
                except MilvusException:
                    if self.state(client) == state:
                        raise

    def state(self, client: MilvusClient) -> State:
        """The newest committed state."""
        found = client.query(
            self._states,
            filter="generation >= 0",
            output_fields=["generation", "content"],
            consistency_level="Strong",
            timeout=_TIMEOUT,
        )
        if not found:
            raise DataError(f"{self.address}: the index has no state; build it anew")
        known = json.loads(max(found, key=lambda row: row["generation"])["content"])
        if known.pop("format") != _FORMAT:
            raise DataError(f"{self.address}: of another version of closegap; use the one that made it")
        parts = {name: Part(**part) for name, part in known.pop("parts").items()}
        self.last = State(**{**known, "versions": tuple(known["versions"])}, parts=parts)
        return self.last

    def commit(self, client: MilvusClient, state: State) -> None:
        """Make a state the newest: one row is inserted, which is there or not."""
        content = json.dumps({**asdict(state), "format": _FORMAT})
        row = {"generation": state.generation, "content": content, "unused": [0.0, 1.0]}
        client.insert(self._states, [row], timeout=_TIMEOUT)
        self.last = state
        if state.generation % _KEPT == 0:
            client.delete(self._states, filter=f"generation < {state.generation - _KEPT}", timeout=_TIMEOUT)

    def exists(self, client: MilvusClient) -> bool:
        """Whether there is an index."""
        return bool(client.has_collection(self._states, timeout=_TIMEOUT))

    def create(self, client: MilvusClient) -> None:
        """Make the collections of an index without rows, or go on where a kill left them."""
        if not self.exists(client):
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("generation", DataType.INT64, is_primary=True)
            schema.add_field("content", DataType.VARCHAR, max_length=65535)
            schema.add_field("unused", DataType.FLOAT_VECTOR, dim=2)
            make(client, self._states, schema, "unused")
        if not client.query(self._states, filter="generation >= 0", limit=1, consistency_level="Strong"):
            self.commit(client, State())

    def others(self, client: MilvusClient, state: State) -> list[str]:
        """Collections of the index that no committed state names."""
        named = {self._states, state.corrections, *(part.collection for part in state.parts.values())}
        prefix = f"{self.address.name}_rows_"
        return [
            name for name in client.list_collections(timeout=_TIMEOUT) if name.startswith(prefix) and name not in named
        ]

    def close(self) -> None:
        """Let go of the server; a second time, too."""
        self._closed = True
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _forget(self) -> None:
        """Connect anew at the next call: a channel that was broken off waits longer and longer before it tries."""
        with self._guard, suppress(MilvusException, grpc.RpcError):
            if self._client is not None:
                client, self._client = self._client, None
                client.close()

    def _connected(self) -> MilvusClient:
        with self._guard:
            if self._closed:
                raise ClosegapError(f"{self.address}: the index was closed; open it anew")
            if self._client is None:
                known = {"token": self.address.token, "db_name": self.address.database}
                given = {key: value for key, value in known.items() if value}
                logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what it says there it raises, too
                client = MilvusClient(uri=self.address.uri, timeout=_TIMEOUT, grpc_options=_PINGS, **given)
                for name in client.list_collections(timeout=_TIMEOUT):
                    if name.startswith(f"{self.address.name}_"):  # a server that was started anew has none loaded
                        client.load_collection(name, timeout=_TIMEOUT)
                self._client = client
            return self._client


def make(client: MilvusClient, name: str, schema: Any, vector: str) -> None:
    """Make a collection that is compared row by row."""
    index = client.prepare_index_params()
    index.add_index(vector, index_type="FLAT", metric_type="IP")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong", timeout=_TIMEOUT)
