"""The engine in PostgreSQL holds to what is asked of every index, on a real server."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.database import Running, Server, running
from tests.search.filters import FILTERS, PAYLOADS

from closegap.errors import ClosegapError, ClosegapWarning, DataError, UnavailableError, UsageError
from closegap.search import Batch, PostgresIndex, Row, open_index
from closegap.search.filter import Filter, holds
from closegap.search.postgres import graphs
from closegap.search.postgres.address import Address
from closegap.search.postgres.connections import Connections
from closegap.search.postgres.schema import MIGRATIONS, migrate
from closegap.testing import check_index

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def at(server: Running) -> Server:
    return server.address


def rows(count: int, width: int = 32, kinds: int | None = None) -> Batch:
    """Rows with ages; of only so many different vectors, if said."""
    rng = np.random.default_rng(count)
    vectors = rng.standard_normal((kinds or count, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors[rng.integers(0, kinds, count)] if kinds else vectors
    known = [Row(f"r{n}", str(n), f"g{n // 2}", {"age": n % 90, "site": "AB"[n % 2]}) for n in range(count)]
    return Batch(known, vectors)


def test_it_is_an_index(at: Server) -> None:
    check_index(at, at.keeps, kills=3)


def test_it_is_one_in_half_precision_with_a_graph(at: Server) -> None:
    half = replace(at, options="&vectors=float16&hnsw=true")
    check_index(half, half.keeps, kills=1, rounding=2.0**-11)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sql_holds_where_python_does(server: Running, data: st.DataObject) -> None:
    with server.address(ROOT / "filters", "write") as index:
        payloads: list[dict[str, Any]] = data.draw(st.lists(PAYLOADS, min_size=1, max_size=4))
        known = [Row(str(number), "c", "g", payload) for number, payload in enumerate(payloads)]
        index.delete(cases=["c"])
        index.add({"image": Batch(known, np.eye(len(known), 4))})
        assert list(index.read("image", [row.id for row in known]).rows) == known
        conditions: list[Filter] = data.draw(st.lists(FILTERS, min_size=4, max_size=8))
        for condition in conditions:
            found = index.search("image", np.ones((1, 4)), 9, condition)
            assert {row.id for row in found.rows[0]} == {row.id for row in known if holds(condition, row.values)}


@pytest.mark.parametrize("options", ["", "&vectors=float16"])
@pytest.mark.parametrize("where", [None, "age < 45"])
def test_many_equal_rows_come_in_their_order(at: Server, tmp_path: Path, options: str, where: str | None) -> None:
    given_rows = rows(6000, kinds=5)
    asked = np.random.default_rng(1).standard_normal((3, 32)).astype(np.float32)
    with replace(at, options=options)(tmp_path, "write") as index:
        index.add({"image": given_rows})
        found = index.search("image", asked, 40, where)
        kept = index.read("image", index.ids("image"))
    scores = (asked.astype(np.float64)[:, None] * kept.vectors.astype(np.float64)).sum(axis=2)
    if where:
        scores[:, [row.payload["age"] >= 45 for row in kept.rows]] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :40]
    assert [[row.id for row in one] for one in found.rows] == [[kept.rows[n].id for n in one] for one in order]


def test_a_graph_finds_nearly_all_and_enough_under_a_filter(at: Server, tmp_path: Path) -> None:
    with replace(at, options="&hnsw=true")(tmp_path, "write") as index:
        index.add({"image": rows(5000)})
        index.optimize()
        asked = np.random.default_rng(1).standard_normal((20, 32)).astype(np.float32)
        with at.connected(tmp_path) as connection:
            connection.execute("ANALYZE closegap.rows_1")
            used = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE 'rows_1_vector%'"
            assert connection.execute(used).fetchone() == (0,)
            rough, exact = (index.search("image", asked, 10, exact=given) for given in (False, True))
            same = [
                len({*map(id_of, one)} & {*map(id_of, other)})
                for one, other in zip(rough.rows, exact.rows, strict=True)
            ]
            assert np.mean(same) > 9
            few = index.search("image", asked, 10, "age == 7", exact=False)
            assert all(len(one) == 10 and {row.payload["age"] for row in one} == {7} for one in few.rows)
            for _ in range(200):  # an idle server tells within ten seconds
                if (connection.execute(used).fetchone() or (0,))[0]:
                    return
                threading.Event().wait(0.1)
            raise AssertionError("the graph was not used")


def test_a_graph_is_made_while_others_read_takes_in_few_rows_and_makes_way_for_many(
    at: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "_EVERY", 0.01)
    given, told, found = rows(8000), [], []
    with replace(at, options="&hnsw=true")(tmp_path, "write") as index, at.connected(tmp_path) as connection:

        def add(start: int, stop: int) -> None:
            index.add({"image": Batch(given.rows[start:stop], given.vectors[start:stop])})

        def look(done: int, total: int) -> None:
            told.append((done, total))
            found.append(index.search("image", given.vectors[:1], 1, exact=False).rows[0][0].id)

        def graphed() -> tuple[object, ...] | None:
            query = "SELECT graphed, to_regclass('closegap.rows_1_vector_idx') IS NOT NULL FROM closegap.partitions"
            return connection.execute(query).fetchone()

        add(0, 5000)
        assert graphed() == (0, False)
        index.optimize(look)
        assert graphed() == (5000, True)
        assert len(told) > 2
        assert told == sorted(told)
        assert told[-1] == (5000, 5000)
        assert {*found} == {"r0"}
        told.clear()
        index.optimize(look)
        assert told == []
        add(5000, 5001)
        assert graphed() == (5000, True)
        near = index.search("image", given.vectors[5000:5001], 1, exact=False)
        assert near.rows[0][0].id == "r5000"
        monkeypatch.setattr(graphs, "_MANY", 2000)
        add(5001, 8000)
        assert graphed() == (5000, True)
        more = rows(18000)
        index.add({"image": Batch(more.rows[8000:], more.vectors[8000:])})
        assert graphed() == (0, False)
        index.optimize()
        index.delete(cases=["7"])
        index.purge()
        assert graphed() == (0, False)
        index.optimize()
        assert graphed() == (17999, True)


def test_a_graph_that_the_server_has_no_memory_for_is_told(at: Server, tmp_path: Path) -> None:
    small = replace(at, options="&hnsw=true&options=-c%20maintenance_work_mem%3D1MB")
    with small(tmp_path, "write") as index:
        index.add({"image": rows(2000)})
        with pytest.warns(ClosegapWarning, match=r"image: a graph of 2,000 rows takes 2 MB .* \(1MB\) .* = '2MB'"):
            index.optimize()
        index.search("image", np.ones((1, 32)), 3, exact=False)


def id_of(row: Row) -> str:
    return row.id


def test_statistics_of_the_database_hold_no_patient(at: Server, tmp_path: Path) -> None:
    with at(tmp_path, "write") as index, at.connected(tmp_path) as connection:
        index.add({"image": rows(500)})
        connection.execute("ANALYZE")
        found = connection.execute("SELECT DISTINCT attname FROM pg_stats WHERE schemaname = 'closegap'").fetchall()
        kept = {name for (name,) in found}
        assert "place" in kept
        assert not kept & {"id", "case_id", "group_id", "payload", "preview", "digest", "vector"}


def test_purge_erases_what_an_older_snapshot_might_see_and_keeps_privileges(at: Server, tmp_path: Path) -> None:
    batch = rows(100)
    with at(tmp_path, "write") as index, at.connected(tmp_path) as old, at.connected(tmp_path) as admin:
        index.add({"image": batch})
        admin.execute("CREATE TABLE other (); CREATE ROLE reads; GRANT SELECT ON closegap.rows TO reads")
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other")
        index.delete(cases=["7"])
        secret = batch.vectors[7].tobytes()
        assert at.keeps(tmp_path, secret)
        index.purge()
        assert not at.keeps(tmp_path, secret)
        assert admin.execute("SELECT has_table_privilege('reads', 'closegap.rows', 'SELECT')").fetchone() == (True,)
        assert len(index.ids("image")) == 99


def test_an_earlier_version_is_brought_up_to_date_once(at: Server, tmp_path: Path) -> None:
    url = at.url(tmp_path)
    connections = Connections(Address.of(url))
    migrate(connections, MIGRATIONS[:1])
    connections.close()
    with pytest.raises(DataError, match="version 1 of the tables, expected 3; open it once to be written to"):
        PostgresIndex(url)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: PostgresIndex(url, "write"), range(4)))
    assert opened[0].put_corrections({"map": b"1"}) == opened[3].put_corrections({"map": b"2"}) - 1
    for index in opened:
        index.close()
    with at.connected(tmp_path) as connection:
        connection.execute("UPDATE closegap.schema_version SET version = 4")
    for mode in ("read", "write"):
        with pytest.raises(DataError, match="version 4 of the tables, expected 3; use the closegap that made them"):
            open_index(url, mode)


def test_graphs_of_an_earlier_version_are_known(at: Server, tmp_path: Path) -> None:
    connections = Connections(Address.of(f"{at.url(tmp_path)}&hnsw=true"))
    migrate(connections, MIGRATIONS[:2])
    with connections.bare() as connection:
        connection.execute("""
        INSERT INTO partitions VALUES (1, 'image', 2, 3), (2, 'text', 2, 3);
        CREATE TABLE rows_1 PARTITION OF rows FOR VALUES IN (1);
        CREATE TABLE rows_2 PARTITION OF rows FOR VALUES IN (2);
        CREATE INDEX ON rows_1 USING hnsw ((vector::vector(2)) vector_ip_ops);
        """)
    migrate(connections)
    with connections.bare() as connection:
        assert connection.execute("SELECT number, graphed FROM partitions ORDER BY 1").fetchall() == [(1, 3), (2, 0)]
    connections.close()


def test_what_is_no_index_is_refused(at: Server, tmp_path: Path) -> None:
    url = at.url(tmp_path)
    with pytest.raises(UsageError, match="no index; build one"):
        PostgresIndex(url)
    with at.connected(tmp_path) as connection:
        connection.execute("CREATE SCHEMA mine; CREATE TABLE mine.letters ()")
    with pytest.raises(DataError, match="the schema has tables that are no index"):
        PostgresIndex(f"{url}&schema=mine", "write")
    with PostgresIndex(f"{url}&vectors=float16", "write"):
        pass
    with pytest.raises(UsageError, match="was made with vectors=float16; leave vectors out"):
        PostgresIndex(f"{url}&vectors=float32")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/db", UnavailableError),
        ("postgresql://me@127.0.0.1:1/db?password=s3cret", UnavailableError),
        ("postgresql://me:a/s3cret@127.0.0.1:1/db", UsageError),
        ("postgresql://me:s3cret/a@127.0.0.1:1/db", UsageError),
        ("postgresql://me:s3cret?a@127.0.0.1:1/db", UsageError),
        ("milvus://me:s3cret/a@127.0.0.1:1", UsageError),
        ("milvus://me:s3cret@127.0.0.1:1?no_such=s3cret", UsageError),
        ("milvus://me:s3cret@127.0.0.1:1", UnavailableError),
        ("postgresql://me:s3cret@127.0.0.1:1/db?s3cret", UsageError),
        ("postgresql://me:s3cret@127.0.0.1:1/db?no_such=s3cret", UsageError),
        ("postgresql://me:s3cret@127.0.0.1:1/db?schema=a;b", UsageError),
        ("postgresql://me:s3cret@127.0.0.1:1/db?vectors=float8", UsageError),
        ("mysql://me:s3cret@127.0.0.1:1/db", UsageError),
        ("no.such.Engine://me:s3cret@127.0.0.1:1/db", UsageError),
    ],
)
def test_no_password_is_ever_shown(url: str, error: type[ClosegapError]) -> None:
    with pytest.raises(error) as refused:
        open_index(url)
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(refused.value)
    assert refused.value.__cause__ is None or "s3cret" not in str(refused.value.__cause__)
    assert len(str(refused.value).splitlines()) == 1


def test_no_password_is_in_a_representation(at: Server, tmp_path: Path) -> None:
    url = at.url(tmp_path).replace("postgres@", "postgres:s3cret@")
    with PostgresIndex(url, "write") as index:
        assert "s3cret" not in f"{index!r} {index} {Address.of(url)!r} {Address.of(url)}"
        assert "postgresql://" in repr(index)


def test_a_server_that_goes_away_is_said_and_found_again(server: Running, tmp_path: Path) -> None:
    with server.address(tmp_path, "write") as index:
        index.add({"image": rows(3000)})
        asked, problems, ended, found = np.ones((1, 32)), [], threading.Event(), []

        def look() -> None:
            while not ended.is_set():
                try:
                    found.append(len(index.search("image", asked, 5).rows[0]))
                except UnavailableError as error:
                    problems.append(str(error))
                    ended.wait(0.05)

        with ThreadPoolExecutor(4) as pool:
            looking = [pool.submit(look) for _ in range(4)]
            try:
                threading.Event().wait(0.5)
                server.break_off()
                threading.Event().wait(0.5)
                with pytest.raises(UnavailableError, match="the server does not answer"):
                    index.add({"image": rows(3001)})
                server.start()
                before = len(found)
                index.add({"image": rows(3001)})
                threading.Event().wait(1)
            finally:
                ended.set()
            for one in looking:
                one.result()
        assert problems
        assert all("\n" not in problem and "does not answer" in problem for problem in problems)
        assert len(found) > before > 0
        assert set(found) == {5}
        assert index.stats().rows == {"image": 3001}


def test_threads_share_few_connections_and_writers_take_turns(at: Server, tmp_path: Path) -> None:
    batch = rows(400)
    with at(tmp_path, "write") as index, at.connected(tmp_path) as connection:
        parts = [Batch(batch.rows[n : n + 10], batch.vectors[n : n + 10]) for n in range(0, 400, 10)]
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda part: index.add({"image": part}), parts)) == [10] * 40
            assert list(pool.map(lambda _: len(index.search("image", batch.vectors[:1], 3).rows[0]), parts)) == [3] * 40
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closegap'"
        assert 1 <= (connection.execute(query).fetchone() or (0,))[0] <= 8
        assert len(index.ids("image")) == index.stats().rows["image"] == 400


def test_row_level_security_of_the_docs_shows_each_site_its_own(at: Server, tmp_path: Path) -> None:
    page = (ROOT / "docs/index-engines.md").read_text(encoding="utf-8")
    [statements] = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with at(tmp_path, "write") as index:
        index.add({"image": rows(100), "report": rows(100)})
        with at.connected(tmp_path) as connection:
            connection.execute(statements)
        with PostgresIndex(at.url(tmp_path).replace("postgres@", "hospital_a@")) as seen:
            assert seen.stats().rows == {"image": 50, "report": 50}
            for exact in (True, False):
                found = seen.search("image", np.ones((1, 32)), 100, exact=exact)
                assert {row.payload["site"] for row in found.rows[0]} == {"A"}
                assert len(found.rows[0]) == 50
            assert len(seen.ids("report")) == 50
            assert seen.read("report", ["r0", "r1"]).rows[0].id == "r0"
            assert len(seen.read("report", ["r0", "r1"]).rows) == 1
        index.delete(cases=["0"])
        index.purge()
        with PostgresIndex(at.url(tmp_path).replace("postgres@", "hospital_a@")) as seen:
            assert len(seen.ids("image")) == 49
        with pytest.raises(ClosegapError, match=r"permission denied|must be owner"):
            PostgresIndex(at.url(tmp_path).replace("postgres@", "hospital_a@"), "write")
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            psycopg.connect(at.url(tmp_path).replace("postgres@", "hospital_a@")) as direct,
        ):
            direct.execute("SELECT * FROM closegap.rows_1")
