"""What a process holds of an index in memory: one committed state of it, which never changes."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from closegap.search.embedded.codes import Codes, read_codes
from closegap.search.embedded.rows import mapped
from closegap.search.embedded.sql import where
from closegap.search.filter import Filter

Storage: TypeAlias = Literal["float32", "float16", "sq8", "ivf"]
TYPES: Mapping[Storage, str] = {"float32": "<f4", "float16": "<f2", "sq8": "<f4", "ivf": "<f4"}
"""What the numbers of rows are kept as."""

CODED = ("sq8", "ivf")
"""Storages with codes beside the rows; with ivf, these lie in lists."""

_KEPT = 64  # conditions whose rows are remembered


class Partition:
    """A modality's rows.

    Args:
        number: in the database.
        vectors: in the file, those of deleted rows too.
        dead: places of deleted rows.
        codes: of the rows, where there are any.
    """

    def __init__(
        self, number: int, vectors: Float[np.ndarray, "n d"], dead: Int[np.ndarray, "m"], codes: Codes | None
    ) -> None:
        self.number, self.vectors, self.dead, self.codes = number, vectors, dead, codes
        self.count, self.width = vectors.shape
        self._matching: dict[Filter, Bool[np.ndarray, n]] = {}

    @cached_property
    def alive(self) -> Bool[np.ndarray, "n"] | None:
        """Which rows were not deleted; None if none was."""
        if not len(self.dead):
            return None
        found = np.ones(self.count, bool)
        found[self.dead] = False
        return found

    def allowed(self, connection: sqlite3.Connection, condition: Filter | None) -> Bool[np.ndarray, "n"] | None:
        """Which rows satisfy a condition; None if all do."""
        if condition is None:
            return self.alive
        found = self._matching.get(condition)
        if found is None:
            expression, values = where(condition)
            query = f"SELECT position FROM rows WHERE partition = ? AND {expression}"
            places = [place for (place,) in connection.execute(query, [self.number, *values])]
            found = np.zeros(self.count, bool)
            found[places] = True
            if len(self._matching) >= _KEPT:
                self._matching.clear()
            self._matching[condition] = found
        return found


@dataclass(frozen=True)
class State:
    """All partitions, by name, at one generation of the database, and what rows are kept as."""

    generation: int
    storage: Storage
    partitions: Mapping[str, Partition]

    @classmethod
    def read(cls, connection: sqlite3.Connection, folder: Path) -> "State":
        """What the connection sees.

        Raises:
            FileNotFoundError: a file was erased since; look again.
            DataError: a file is damaged.
        """
        generation, storage = connection.execute("SELECT generation, storage FROM state").fetchone()
        partitions = {}
        for number, name, width, count, file in connection.execute(
            "SELECT number, name, width, count, file FROM partitions ORDER BY number"
        ).fetchall():
            places = connection.execute("SELECT position FROM dead WHERE partition = ?", [number]).fetchall()
            dead = np.array(places, np.int64).reshape(-1)
            vectors = mapped(folder / file, count, width, TYPES[storage])
            partitions[name] = Partition(
                number, vectors, dead, read_codes(connection, folder, number, count, width, storage == "ivf")
            )
        return cls(generation, storage, partitions)
