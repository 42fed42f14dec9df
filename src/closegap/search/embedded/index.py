"""The default engine: a folder with the vectors in plain files, compared by faiss, and all else in SQLite."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from closegap.disk import make_folder, writing
from closegap.errors import DataError, UsageError
from closegap.search.embedded.database import Database
from closegap.search.embedded.insert import forget, forget_partition, insert_batch
from closegap.search.embedded.nearest import near, nearest
from closegap.search.embedded.purge import purge, remove_unnamed
from closegap.search.embedded.state import TYPES, Partition, State, Storage
from closegap.search.filter import Filter
from closegap.search.index import Index, unknown
from closegap.search.row import Batch, Found, Row, Stats

DATABASE = "index.sqlite"
_TRIES = 20  # of looking at files that a purge takes away meanwhile


class EmbeddedIndex(Index):
    """An index in a folder of a local disk, for as many processes as like to read it, and one at a time that writes.

    A search finds what comparing all rows would find, unless it is asked not to. What is committed stands in SQLite
    alone: vectors are appended and synced before it says that they are there, and what lies behind the rows that it
    counts is not read.

    Args:
        folder: of the index.
        mode: "read" one that is there, or "write" to one, which is made if need be.
        storage: of a new one: "float32", "float16", which keeps rounded rows in half of the bytes, "sq8", which
            compares codes of a byte a number in place of the float32 rows, and finds the same, or "ivf", which has
            these codes in lists, of which searches that need not be exact look at a few; None for what the index has,
            float32 for a new one.

    Raises:
        UsageError: no index to read, another mode, another storage than the index has.
        DataError: the folder holds something else, or a damaged index.

    Example:
        >>> with EmbeddedIndex(getfixture("tmp_path") / "archive", "write") as index:
        ...     rows = [Row("a", case="1", group="p", payload={"age": 61}), Row("b", case="2", group="q")]
        ...     added = index.add({"image": Batch(rows, np.eye(2))})
        ...     found = index.search("image", np.array([[0.6, 0.8]]), k=2)
        >>> [row.id for row in found.rows[0]], found.scores
        (['b', 'a'], array([[0.8, 0.6]], dtype=float32))
    """

    def __init__(
        self,
        folder: Path | str,
        mode: Literal["read", "write"] = "read",
        storage: Storage | None = None,
    ) -> None:
        if mode not in ("read", "write"):
            raise UsageError(f"mode: {mode!r} given, expected 'read' or 'write'")
        if storage is not None and storage not in TYPES:
            raise UsageError(f"storage: {storage!r} given, expected {', '.join(TYPES)}")
        self.folder, self._mode = Path(folder), mode
        path = self.folder / DATABASE
        if mode == "write":
            with writing(self.folder):
                make_folder(self.folder)
            if not path.exists() and any(self.folder.iterdir()):
                raise DataError(f"{self.folder}: is no index and not empty; name a new folder")
            Database.create(path, storage or "float32")
        elif not path.is_file():
            raise UsageError(f"{self.folder}: no index; build one, or name the folder of one")
        self._database = Database(path)
        self._database.check()
        self._state: State | None = None
        kept = self._database.connection().execute("SELECT storage FROM state").fetchone()[0]
        if storage not in (None, kept):
            self.close()
            raise UsageError(f"{self.folder}: was made with storage {kept}; leave {storage} out")

    def corrections(self, version: int | None = None) -> dict[str, bytes]:
        """See `Index.corrections`."""
        with self._viewed() as (connection, _):
            newest = _version(connection)
            wanted = newest if version is None else version
            known = connection.execute("SELECT 1 FROM versions WHERE version = ?", [wanted]).fetchone()
            if version is not None and known is None:
                raise UsageError(
                    f"corrections: no version {version}, the newest is {newest}; name one that was not purged"
                )
            query = "SELECT name, content FROM corrections WHERE version = ? ORDER BY name"
            return dict(connection.execute(query, [wanted]))

    def ids(self, partition: str, cases: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
        """See `Index.ids`."""
        with self._viewed() as (connection, state):
            number = _named(state, partition).number
            query = "SELECT id, position FROM rows WHERE partition = ?"
            if cases is None:
                values = [number, -1 if limit is None else limit]
                return [name for name, _ in connection.execute(f"{query} ORDER BY position LIMIT ?", values)]
            found = _each(connection, f"{query} AND case_id = ?", [(number, case) for case in dict.fromkeys(cases)])
            return [name for name, _ in sorted(found, key=lambda pair: pair[1])][:limit]

    def read(self, partition: str, ids: Sequence[str]) -> Batch:
        """See `Index.read`."""
        with self._viewed() as (connection, state):
            found = _named(state, partition)
            query = "SELECT position FROM rows WHERE partition = ? AND id = ?"
            places = [place for (place,) in _each(connection, query, [(found.number, name) for name in ids])]
            query = "SELECT content FROM previews WHERE partition = ? AND position = ?"
            shown = [list(_each(connection, query, [(found.number, place)])) for place in places]
            return Batch(
                _rows(connection, found, places),
                found.vectors[np.array(places, np.int64)].astype(np.float32),
                [content[0][0] if content else b"" for content in shown],
            )

    def purge(self) -> None:
        """See `Index.purge`. The disk itself may keep what was in blocks that it has given up."""
        self._expect_writing()
        purge(self._database, self.folder)

    def stats(self) -> Stats:
        """See `Index.stats`."""
        with self._viewed() as (connection, state):
            return Stats(
                {name: found.width for name, found in state.partitions.items()},
                {name: found.count - len(found.dead) for name, found in state.partitions.items()},
                connection.execute("SELECT unpurged FROM state").fetchone()[0],
                _version(connection),
                _size(self.folder),
            )

    def close(self) -> None:
        """See `Index.close`."""
        self._database.close()
        self._state = None

    def insert(self, batches: Mapping[str, Batch]) -> int:
        """See `Index.add`."""
        self._expect_writing()
        if not batches:
            return 0
        with self._database.change() as connection:
            added = sum(insert_batch(connection, self.folder, name, batch) for name, batch in batches.items())
            coded = connection.execute("SELECT count(*) FROM codes").fetchone()[0]
        if sum(1 for _ in self.folder.glob("*.codes")) > coded:  # ranges were taken anew
            remove_unnamed(self._database, self.folder)
        return added

    def nearest(
        self, partition: str, queries: Float[np.ndarray, "q d"], k: int, where: Filter | None, exact: bool
    ) -> Found:
        """See `Index.search`; with any storage but "ivf" always exact."""
        with self._viewed() as (connection, state):
            found = _named(state, partition)
            search = nearest if exact else near
            scores, places = search(found.vectors, queries, k, found.allowed(connection, where), found.codes)
            distinct, index = np.unique(places, return_inverse=True)
            rows = _rows(connection, found, distinct.tolist())
            return Found(scores, [[rows[one] for one in of_query] for of_query in index.reshape(places.shape)])

    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        """See `Index.delete`."""
        self._expect_writing()
        with self._database.change() as connection:
            named = [(group,) for group in groups]
            members = _each(connection, "SELECT DISTINCT case_id FROM rows WHERE group_id = ?", named)
            every = [(case,) for case in {*cases, *(case for (case,) in members)}]
            places = list(_each(connection, "SELECT partition, position FROM rows WHERE case_id = ?", every))
            forget(connection, places)
            return len(places)

    def discard_partition(self, partition: str) -> None:
        """See `Index.drop`."""
        self._expect_writing()
        with self._database.change() as connection:
            forget_partition(connection, partition)

    def matching(self, partition: str, where: Filter | None) -> int:
        """See `Index.count`."""
        with self._viewed() as (connection, state):
            found = _named(state, partition)
            allowed = found.allowed(connection, where)
            return found.count if allowed is None else int(allowed.sum())

    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        """See `Index.put_corrections`."""
        self._expect_writing()
        with self._database.change() as connection:
            version = _version(connection) + 1
            connection.execute("INSERT INTO versions VALUES (?)", [version])
            rows = [(version, name, content) for name, content in files.items()]
            connection.executemany("INSERT INTO corrections VALUES (?, ?, ?)", rows)
            return version

    def _expect_writing(self) -> None:
        if self._mode != "write":
            raise UsageError(f"{self.folder}: was opened to be read; open it with mode='write'")

    @contextmanager
    def _viewed(self) -> Iterator[tuple[sqlite3.Connection, State]]:
        """A connection and what it sees."""
        for attempt in range(_TRIES):
            with self._database.view() as connection:
                try:
                    state = self._newest(connection)
                except FileNotFoundError as error:
                    if attempt == _TRIES - 1:
                        raise DataError(f"{error.filename}: is missing; take it from a backup") from error
                    continue
                yield connection, state
                return

    def _newest(self, connection: sqlite3.Connection) -> State:
        generation = connection.execute("SELECT generation FROM state").fetchone()[0]
        state = self._state
        if state is None or state.generation != generation:
            state = self._state = State.read(connection, self.folder)
        return state


def _named(state: State, partition: str) -> Partition:
    if partition not in state.partitions:
        raise UsageError(unknown(partition, state.partitions))
    return state.partitions[partition]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(version), 0) FROM versions").fetchone()[0])


def _each(connection: sqlite3.Connection, query: str, keys: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """What a query gives for each of some keys, one after the other."""
    for key in keys:
        yield from connection.execute(query, key)


def _rows(connection: sqlite3.Connection, partition: Partition, places: Iterable[int]) -> list[Row]:
    query = "SELECT id, case_id, group_id, payload FROM rows WHERE partition = ? AND position = ?"
    found = _each(connection, query, [(partition.number, place) for place in places])
    return [Row(name, case, group, json.loads(payload)) for name, case, group, payload in found]


def _size(folder: Path) -> int:
    """Bytes of the files, of which some may go meanwhile."""
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
