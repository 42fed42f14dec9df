"""The default engine holds to what is asked of every index, and keeps its folder in order."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.filters import FILTERS, PAYLOADS

from closegap.errors import DataError, UsageError
from closegap.search import Batch, EmbeddedIndex, Row
from closegap.search.embedded.nearest import nearest
from closegap.search.embedded.sql import prepare, where
from closegap.search.filter import Filter, holds
from closegap.testing import check_index


def test_it_is_an_index() -> None:
    check_index(EmbeddedIndex, kills=4)


@settings(max_examples=300, deadline=None)
@given(FILTERS, st.lists(PAYLOADS, min_size=1, max_size=4))
def test_sql_holds_where_python_does(condition: Filter, payloads: list[dict[str, Any]]) -> None:
    rows = [Row(str(number), "c", "g", payload) for number, payload in enumerate(payloads)]
    connection = sqlite3.connect(":memory:")
    prepare(connection)
    connection.execute("CREATE TABLE rows (id TEXT, case_id TEXT, group_id TEXT, payload TEXT)")
    values = [(row.id, row.case, row.group, json.dumps(row.payload, ensure_ascii=False)) for row in rows]
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", values)
    expression, parameters = where(condition)
    found = {name for (name,) in connection.execute(f"SELECT id FROM rows WHERE {expression}", parameters)}
    connection.close()
    assert found == {row.id for row in rows if holds(condition, row.values)}


@pytest.mark.parametrize("queries", [1, 30])
@pytest.mark.parametrize("share", [None, 0.5])
def test_many_equal_rows_come_in_their_order(queries: int, share: float | None) -> None:
    rng = np.random.default_rng(0)
    sentences = rng.standard_normal((5, 32)).astype(np.float32)
    rows = sentences[rng.integers(0, 5, 10_000)]
    asked = rng.standard_normal((queries, 32)).astype(np.float32)
    allowed = None if share is None else rng.random(len(rows)) < share
    scores, places = nearest(rows, asked, 40, allowed)
    exact = (asked.astype(np.float64)[:, None] * sentences.astype(np.float64)).sum(axis=2)
    of_row = exact[:, [int(np.flatnonzero((sentences == row).all(axis=1))[0]) for row in rows]]
    of_row[:, [] if allowed is None else ~allowed] = -np.inf
    expected = np.argsort(-of_row, axis=1, kind="stable")[:, :40]
    assert np.array_equal(places, expected)
    assert np.allclose(scores, np.take_along_axis(of_row, expected, axis=1), rtol=1e-6)


def test_what_lies_behind_the_committed_rows_is_not_read(tmp_path: Path) -> None:
    with EmbeddedIndex(tmp_path / "i", "write") as index:
        index.add({"image": Batch([Row("a", "1", "g")], np.eye(1, 3))})
        [path] = (tmp_path / "i").glob("*.vectors")
        with path.open("ab") as file:
            file.write(b"\xff" * 17)
        index.add({"image": Batch([Row("b", "2", "g")], np.eye(3)[1:2])})
        assert np.array_equal(index.read("image", ["a", "b"]).vectors, np.eye(3)[:2])


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no index; build one"):
        EmbeddedIndex(tmp_path / "none")
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="is no index and not empty"):
        EmbeddedIndex(tmp_path, "write")
    (tmp_path / "index.sqlite").write_text("dear" * 200)
    with pytest.raises(DataError, match="no index"):
        EmbeddedIndex(tmp_path, "read")
    with pytest.raises(DataError, match="no index"):
        EmbeddedIndex(tmp_path, "write")


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    with EmbeddedIndex(tmp_path / "i", "write") as index:
        index.add({"image": Batch([Row("a", "1", "g")], np.eye(1, 3))})
    [path] = (tmp_path / "i").glob("*.vectors")
    path.write_bytes(path.read_bytes()[:-1])
    with EmbeddedIndex(tmp_path / "i") as index, pytest.raises(DataError, match="shorter than its 1 rows"):
        index.stats()
    path.unlink()
    with EmbeddedIndex(tmp_path / "i") as index, pytest.raises(DataError, match="is missing"):
        index.stats()
