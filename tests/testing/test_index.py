"""The check of an index finds what an engine does wrong."""

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from tests.extension.engine import SqliteIndex

from closegap.search import Batch, Filter, Found
from closegap.testing import check_index


class LastFirst(SqliteIndex):
    def nearest(self, partition: str, queries: np.ndarray, k: int, where: Filter | None, exact: bool) -> Found:
        """Of equal rows, that which was added last comes first."""
        found = super().nearest(partition, queries, 10_000, where, exact)
        place = {name: at for at, name in enumerate(self.ids(partition))}
        rows = []
        for scores, one in zip(found.scores, found.rows, strict=True):
            order = sorted(range(len(one)), key=lambda at: (-scores[at], -place[one[at].id]))[:k]
            rows.append([one[at] for at in order])
        return Found(found.scores[:, :k], rows)


class SinglePrecision(SqliteIndex):
    def nearest(self, partition: str, queries: np.ndarray, k: int, where: Filter | None, exact: bool) -> Found:
        rounded = (queries.astype(np.float32) * 64).round() / 64
        return super().nearest(partition, rounded, k, where, exact)


class NoFilter(SqliteIndex):
    def nearest(self, partition: str, queries: np.ndarray, k: int, where: Filter | None, exact: bool) -> Found:
        return super().nearest(partition, queries, k, None, exact)


class FilterAfterwards(SqliteIndex):
    def nearest(self, partition: str, queries: np.ndarray, k: int, where: Filter | None, exact: bool) -> Found:
        """Of the best `k`, those that fit: fewer than there are."""
        best = super().nearest(partition, queries, k, None, exact)
        fits = {row.id for row in super().nearest(partition, queries, 10_000, where, exact).rows[0]}
        return Found(best.scores, [[row for row in one if row.id in fits] for one in best.rows])


class OnePartition(SqliteIndex):
    def forget(self, connection: sqlite3.Connection, condition: str, values: Sequence[object]) -> int:
        return super().forget(connection, f"{condition} AND partition = 'image'", values)


class OnlySaysSo(SqliteIndex):
    def purge(self) -> None:
        with self.change() as connection:
            connection.execute("DELETE FROM state")

    def connection(self) -> sqlite3.Connection:
        connection = super().connection()
        connection.execute("PRAGMA secure_delete = OFF")
        return connection


class OneAfterTheOther(SqliteIndex):
    def insert(self, batches: Mapping[str, Batch]) -> int:
        return sum(super(OneAfterTheOther, self).insert({name: batch}) for name, batch in batches.items())


class Forgetful(SqliteIndex):
    def connection(self) -> sqlite3.Connection:
        """What others committed is not seen: a copy in memory of what was there first."""
        if self.mode == "write":
            return super().connection()
        if not hasattr(self, "copy"):
            self.copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            with sqlite3.connect(self.file) as there:
                there.backup(self.copy)
        fresh = sqlite3.connect(":memory:", isolation_level=None)
        self.copy.backup(fresh)
        return fresh


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        (LastFirst, "after add: the best 1 are not those of numpy"),
        (SinglePrecision, "are not those of numpy|scores are not inner products"),
        (NoFilter, "filtered differs from post-filtered"),
        (FilterAfterwards, "filtered differs from post-filtered"),
        (OnePartition, "delete of a case did not count its rows in both partitions"),
        (OnlySaysSo, "after purge, bytes of what was deleted are kept"),
        (OneAfterTheOther, "images and .* texts, added together|rows are there in part"),
        (Forgetful, "while another process writes, a reader (sees|never sees a change)"),
    ],
)
def test_a_defect_is_found(engine: type[SqliteIndex], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem) as found:
        check_index(engine, kills=8 if engine is OneAfterTheOther else 0)
    assert len(str(found.value).splitlines()) == 1
