"""An engine in one file: a SQLite database in a folder, compared row by row with numpy."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from closegap.errors import UsageError
from closegap.search import Batch, Filter, Found, Index, Row, Stats
from closegap.search.filter import holds
from closegap.search.index import unknown

TABLES = """
CREATE TABLE IF NOT EXISTS state (unpurged INTEGER);
CREATE TABLE IF NOT EXISTS partitions (name TEXT PRIMARY KEY, width INTEGER);
CREATE TABLE IF NOT EXISTS rows (
    place INTEGER PRIMARY KEY AUTOINCREMENT, partition TEXT, id TEXT, case_id TEXT, group_id TEXT, payload TEXT,
    preview BLOB, vector BLOB, UNIQUE (partition, id)
);
CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS corrections (version INTEGER, name TEXT, content BLOB);
"""
COLUMNS = "id, case_id, group_id, payload, preview, vector"


class SqliteIndex(Index):
    """An index in the file `index.sqlite` of a folder."""

    def __init__(self, folder: Path | str, mode: Literal["read", "write"] = "read") -> None:
        self.file, self.mode = Path(folder) / "index.sqlite", mode
        if mode == "write":
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self.connection()) as connection:
                connection.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT")
        elif not self.file.is_file():
            raise UsageError(f"{folder}: no index; build one")

    def corrections(self, version: int | None = None) -> dict[str, bytes]:
        with self.view() as connection:
            known = [one for (one,) in connection.execute("SELECT version FROM versions ORDER BY version")]
            if version is not None and version not in known:
                raise UsageError(f"corrections: no version {version}; there are {known}")
            wanted = version or max(known, default=0)
            return dict(connection.execute("SELECT name, content FROM corrections WHERE version = ?", [wanted]))

    def ids(self, partition: str, cases: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
        with self.view() as connection:
            rows, _, _ = self.rows(connection, partition)
        return [row.id for row in rows if cases is None or row.case in cases][:limit]

    def read(self, partition: str, ids: Sequence[str]) -> Batch:
        with self.view() as connection:
            rows, previews, vectors = self.rows(connection, partition)
        place = {row.id: number for number, row in enumerate(rows)}
        places = [place[name] for name in ids if name in place]
        return Batch([rows[at] for at in places], vectors[places], [previews[at] for at in places])

    def purge(self) -> None:
        with self.change() as connection:
            for table in ("corrections", "versions"):
                connection.execute(f"DELETE FROM {table} WHERE version < (SELECT max(version) FROM versions)")
            connection.execute("DELETE FROM state")
        with closing(self.connection()) as connection:
            connection.execute("VACUUM")

    def stats(self) -> Stats:
        with self.view() as connection:
            widths = dict(connection.execute("SELECT name, width FROM partitions"))
            counts = dict(connection.execute("SELECT partition, count(*) FROM rows GROUP BY partition"))
            unpurged = connection.execute("SELECT coalesce(sum(unpurged), 0) FROM state").fetchone()[0]
            version = connection.execute("SELECT coalesce(max(version), 0) FROM versions").fetchone()[0]
        counts = {name: counts.get(name, 0) for name in widths}
        return Stats(widths, counts, unpurged, version, self.file.stat().st_size)

    def close(self) -> None:
        """Nothing is kept open."""

    def insert(self, batches: Mapping[str, Batch]) -> int:
        with self.change() as connection:
            return sum(self.insert_batch(connection, name, batch) for name, batch in batches.items())

    def insert_batch(self, connection: sqlite3.Connection, name: str, batch: Batch) -> int:
        connection.execute("INSERT OR IGNORE INTO partitions VALUES (?, ?)", [name, batch.vectors.shape[1]])
        added = 0
        for number, (row, vector) in enumerate(zip(batch.rows, batch.vectors, strict=True)):
            preview = bytes(batch.previews[number]) if batch.previews else b""
            values = (row.id, row.case, row.group, json.dumps(row.payload, sort_keys=True), preview, vector.tobytes())
            query = f"SELECT {COLUMNS} FROM rows WHERE partition = ? AND id = ?"
            there = connection.execute(query, [name, row.id]).fetchone()
            if there != values:
                self.forget(connection, "partition = ? AND id = ?", [name, row.id])
                marks = ", ".join("?" * 7)
                connection.execute(f"INSERT INTO rows (partition, {COLUMNS}) VALUES ({marks})", [name, *values])
                added += 1
        return added

    def nearest(
        self, partition: str, queries: Float[np.ndarray, "q d"], k: int, where: Filter | None, exact: bool
    ) -> Found:
        with self.view() as connection:
            rows, _, vectors = self.rows(connection, partition)
        fits = [at for at, row in enumerate(rows) if where is None or holds(where, row.values)]
        scores = (queries.astype(np.float64)[:, None] * vectors[fits].astype(np.float64)).sum(axis=2)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, order, axis=1).astype(np.float32)
        return Found(best, [[rows[fits[at]] for at in one] for one in order])

    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        with self.change() as connection:
            known = connection.execute("SELECT DISTINCT case_id, group_id FROM rows").fetchall()
            every = {*cases, *(case for case, group in known if group in groups)}
            return sum(self.forget(connection, "case_id = ?", [case]) for case in every)

    def discard_partition(self, partition: str) -> None:
        with self.change() as connection:
            self.forget(connection, "partition = ?", [partition])
            connection.execute("DELETE FROM partitions WHERE name = ?", [partition])

    def matching(self, partition: str, where: Filter | None) -> int:
        with self.view() as connection:
            rows, _, _ = self.rows(connection, partition)
        return sum(where is None or holds(where, row.values) for row in rows)

    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        with self.change() as connection:
            version = connection.execute("INSERT INTO versions VALUES (NULL)").lastrowid or 0
            rows = [(version, name, content) for name, content in files.items()]
            connection.executemany("INSERT INTO corrections VALUES (?, ?, ?)", rows)
            return version

    def forget(self, connection: sqlite3.Connection, condition: str, values: Sequence[Any]) -> int:
        """How many rows were deleted that satisfy a condition."""
        count = connection.execute(f"DELETE FROM rows WHERE {condition}", values).rowcount
        connection.execute("INSERT INTO state VALUES (?)", [count])
        return count

    def rows(
        self, connection: sqlite3.Connection, partition: str
    ) -> tuple[list[Row], list[bytes], Float[np.ndarray, "n d"]]:
        """All rows of a partition, with previews and vectors."""
        widths = dict(connection.execute("SELECT name, width FROM partitions"))
        if partition not in widths:
            raise UsageError(unknown(partition, widths))
        found = connection.execute(f"SELECT {COLUMNS} FROM rows WHERE partition = ? ORDER BY place", [partition])
        every = found.fetchall()
        vectors = np.frombuffer(b"".join(row[5] for row in every), np.float32).reshape(len(every), widths[partition])
        return [Row(row[0], row[1], row[2], json.loads(row[3])) for row in every], [row[4] for row in every], vectors

    def connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=60, isolation_level=None)
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        with closing(self.connection()) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        if self.mode != "write":
            raise UsageError(f"{self.file}: was opened to be read")
        with closing(self.connection()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
