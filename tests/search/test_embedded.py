"""The default engine holds to what is asked of every index, and keeps its folder in order."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.filters import FILTERS, PAYLOADS

from closegap.errors import DataError, UsageError
from closegap.search import Batch, EmbeddedIndex, Row
from closegap.search.embedded import lists
from closegap.search.embedded.codes import Coder, Codes
from closegap.search.embedded.nearest import nearest
from closegap.search.embedded.sql import prepare, where
from closegap.search.filter import Filter, holds
from closegap.testing import check_index


def half(folder: Path, mode: Literal["read", "write"]) -> EmbeddedIndex:
    return EmbeddedIndex(folder, mode, "float16" if mode == "write" else None)


def coded(folder: Path, mode: Literal["read", "write"]) -> EmbeddedIndex:
    return EmbeddedIndex(folder, mode, "sq8" if mode == "write" else None)


def in_lists(folder: Path, mode: Literal["read", "write"]) -> EmbeddedIndex:
    """With lists from a few rows on, also in the processes that a check starts."""
    lists.LEAST = 8
    return EmbeddedIndex(folder, mode, "ivf" if mode == "write" else None)


def keeps_rounded(folder: Path, content: bytes) -> bool:
    """Whether a file of the folder holds some bytes, a vector's in half precision."""
    wanted = np.frombuffer(content, "<f4").astype("<f2").tobytes() if len(content) == 24 * 4 else content
    return any(wanted in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_it_is_an_index() -> None:
    check_index(EmbeddedIndex, kills=4)


def test_it_is_one_in_half_precision() -> None:
    check_index(half, keeps_rounded, kills=2, rounding=2.0**-11)


def test_it_is_one_with_codes_and_rounds_nothing() -> None:
    check_index(coded, kills=2)


def test_it_is_one_in_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LEAST", 8)
    check_index(in_lists, kills=2)


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


def codes_of(rows: np.ndarray) -> Codes:
    coder = Coder.of(rows)
    return Codes(coder, *coder.encoded(rows))


@pytest.mark.parametrize("queries", [1, 30])
@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("storage", ["float32", "float16", "sq8"])
def test_many_equal_rows_come_in_their_order(queries: int, share: float | None, storage: str) -> None:
    rng = np.random.default_rng(0)
    sentences = rng.standard_normal((5, 32)).astype(np.float16 if storage == "float16" else np.float32)
    rows = sentences[rng.integers(0, 5, 60_000)]
    asked = rng.standard_normal((queries, 32)).astype(np.float32)
    allowed = None if share is None else rng.random(len(rows)) < share
    scores, places = nearest(rows, asked, 40, allowed, codes_of(rows) if storage == "sq8" else None)
    exact = (asked.astype(np.float64)[:, None] * sentences.astype(np.float64)).sum(axis=2)
    of_row = exact[:, [int(np.flatnonzero((sentences == row).all(axis=1))[0]) for row in rows]]
    of_row[:, [] if allowed is None else ~allowed] = -np.inf
    expected = np.argsort(-of_row, axis=1, kind="stable")[:, :40]
    assert np.array_equal(places, expected)
    assert np.allclose(scores, np.take_along_axis(of_row, expected, axis=1), rtol=1e-6)


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("share", [None, 0.1])
def test_codes_find_what_rows_find(spread: float, share: float | None) -> None:
    rng = np.random.default_rng(1)
    cone = rng.standard_normal(48)
    rows = (cone + spread * rng.standard_normal((30_000, 48)) * rng.gamma(1.0, size=48)).astype(np.float32)
    rows[7] *= -1  # beyond the range of the others
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    asked = np.concatenate([rows[:3], rng.standard_normal((5, 48)), 100 * cone[None]]).astype(np.float32)
    coder = Coder.of(rows[1000:2000])
    codes = Codes(coder, *coder.encoded(rows))
    allowed = None if share is None else rng.random(len(rows)) < share
    scores, places, off = codes.nearest(asked, 2000, allowed)
    products = asked.astype(np.float64) @ rows.astype(np.float64).T
    assert (np.abs(np.take_along_axis(products, places, axis=1) - scores) <= off[:, None]).all()
    found = nearest(rows, asked, 10, allowed, codes)
    expected = nearest(rows, asked, 10, allowed)
    assert np.array_equal(found[1], expected[1])
    assert np.array_equal(found[0], expected[0])


def test_ranges_are_taken_anew_while_an_index_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((700, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [Row(str(number), str(number), "g") for number in range(700)]
    with coded(tmp_path / "i", "write") as index:
        for start in range(0, 700, 7):
            index.add({"image": Batch(rows[start : start + 7], vectors[start : start + 7])})
        [trained] = sqlite3.connect(tmp_path / "i" / "index.sqlite").execute("SELECT trained FROM codes").fetchone()
        assert trained == 448
        assert len(list((tmp_path / "i").glob("*.codes"))) == 1
        found = index.search("image", vectors[:5], 3)
        assert [next(row.id for row in one) for one in found.rows] == ["0", "1", "2", "3", "4"]
        index.purge()
        assert len(list((tmp_path / "i").glob("*.codes"))) == 1
        assert index.stats().size < 700 * 16 * 5 + 2**18


def spread(rows: int, width: int = 24, centres: int = 60) -> np.ndarray:
    """Unit rows about some centres."""
    rng = np.random.default_rng(0)
    found = rng.standard_normal((centres, width))[rng.integers(0, centres, rows)]
    found += 0.7 * rng.standard_normal((rows, width))
    unit: np.ndarray = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_lists_keep_up_with_what_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LEAST", 1000)
    monkeypatch.setattr(lists, "_FEWEST", 8)
    monkeypatch.setattr(lists, "_SHARE", 1 / 16)  # of lists so few that an eighth holds all that is near
    vectors = spread(4000)
    rows = [Row(str(number), str(number), "g", {"tenth": number % 10}) for number in range(4000)]
    asked = vectors[::100]

    def found(index: EmbeddedIndex, exact: bool, where: str | None = None) -> list[list[str]]:
        return [[row.id for row in one] for one in index.search("image", asked, 10, where, exact).rows]

    def expected(alive: np.ndarray) -> list[list[str]]:
        products = asked.astype(np.float64) @ vectors.astype(np.float64).T
        products[:, ~alive] = -np.inf
        return [[str(place) for place in one] for one in np.argsort(-products, axis=1, kind="stable")[:, :10]]

    def recall(some: list[list[str]], all_: list[list[str]]) -> float:
        return float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(some, all_, strict=True)]))

    alive, listings = np.zeros(4000, bool), set[str]()
    with EmbeddedIndex(tmp_path / "i", "write", "ivf") as index:
        for start in range(0, 4000, 250):
            index.add({"image": Batch(rows[start : start + 250], vectors[start : start + 250])})
            alive[start : start + 250] = True
            listings.update(path.name for path in (tmp_path / "i").glob("*.order"))
        assert len(listings) == 4  # at 1,000, 1,500, 2,250 and 3,500
        assert len(list((tmp_path / "i").glob("*.order"))) == 1
        for step in ("added", "deleted", "replaced", "purged"):
            if step == "deleted":
                alive[::3] = False
                index.delete(cases=[str(place) for place in np.flatnonzero(~alive)])
            if step == "replaced":
                changed = [Row(row.id, row.case, "g", {"tenth": -1}) for row in rows[1:300:3]]
                index.add({"image": Batch(changed, vectors[1:300:3])})
            if step == "purged":
                index.purge()
            assert found(index, exact=True) == expected(alive)
            assert 0.9 < recall(found(index, exact=False), expected(alive)) < 1
            tenth = alive & (np.arange(4000) % 10 == 7)
            if step in ("replaced", "purged"):
                tenth[1:300:3] = False
            assert found(index, True, "tenth == 7") == expected(tenth)
            assert recall(found(index, False, "tenth == 7"), expected(tenth)) > 0.8
    with EmbeddedIndex(tmp_path / "i") as index:
        assert found(index, exact=True) == expected(alive)
        few = [row.id for row in index.search("image", asked[:1], 4000, exact=False).rows[0]]
        assert sorted(few) == sorted(str(place) for place in np.flatnonzero(alive))


@pytest.mark.parametrize(("storage", "size"), [("float32", 4), ("float16", 2), ("sq8", 5), ("ivf", 5)])
def test_a_storage_is_kept_and_another_refused(tmp_path: Path, storage: Any, size: int) -> None:
    with EmbeddedIndex(tmp_path / "i", "write", storage) as index:
        index.add({"image": Batch([Row("a", "1", "g")], np.eye(1, 3))})
    files = [*(tmp_path / "i").glob("*.vectors"), *(tmp_path / "i").glob("*.codes")]
    assert sum(path.stat().st_size for path in files) == 3 * size
    other = "float16" if storage != "float16" else "sq8"
    with pytest.raises(UsageError, match=f"was made with storage {storage}; leave {other} out"):
        EmbeddedIndex(tmp_path / "i", "write", other)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected float32, float16, sq8, ivf"):
        EmbeddedIndex(tmp_path / "i", "write", "int4")  # type: ignore[arg-type]


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
