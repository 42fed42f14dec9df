"""An archive whose rows lie in another engine: built, asked, changed and replaced, with its password nowhere."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.search import database, milvus_server
from tests.search.archives import MODALITIES, built, embedded
from tests.search.service.served import served

import closegap.search
from closegap.cli import main
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.search import Archive, EmbeddedIndex, Part, Query, open_index
from closegap.search.archive.about import ABOUT, About
from closegap.search.archive.building import Plan, build
from closegap.search.archive.changing import add, refit
from closegap.search.archive.engine import signed
from closegap.search.archive.feed_of_set import FeedOfSet
from closegap.search.archive.fitting import Wanted
from closegap.search.archive.gate import Gate
from closegap.search.archive.sources import Opened


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[database.Server]:
    with database.running() as started:
        yield started.address


@pytest.fixture(scope="module")
def milvus() -> Iterator[milvus_server.Server]:
    with milvus_server.running() as started:
        yield started.address


@pytest.fixture(params=["postgres", "milvus", "milvus-lite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "milvus-lite":
        return f"milvus://{tmp_path}/archive.db?name=roco"
    url: str = request.getfixturevalue(request.param).url(tmp_path)
    return f"{url}&schema=roco" if request.param == "postgres" else url


def filled(out: Path, address: str | None, wanted: Wanted | None = None, overwrite: bool = False) -> Path:
    build(
        Opened(FeedOfSet(embedded()), "test", "test"),
        Plan(wanted or Wanted("center", "zscore"), engine=address),
        out,
        overwrite=overwrite,
    )
    return out


def hits(archive: Archive) -> list[tuple[str, str, float, float | None]]:
    answer = archive.ask(Query([Part.case("c003", modality="image")], k=40))
    return [(hit.modality, hit.id, round(hit.score, 6), hit.probability) for hit in answer.hits]


def test_it_answers_and_changes_as_one_in_its_folder(tmp_path: Path, address: str) -> None:
    here, there = filled(tmp_path / "here", None), filled(tmp_path / "there", address)
    assert not (there / "index").exists()
    assert not (tmp_path / "there.parts").exists()
    with closegap.search.open(here) as one, closegap.search.open(there) as other:
        assert hits(one) == hits(other)
        assert one.rows() == other.rows()
    for folder in (here, there):
        with Archive(folder, "write") as archive:
            assert archive.delete(groups=["p001"]) > 0
            archive.purge()
            assert archive.stats().unpurged == 0
            with pytest.raises(UsageError, match="no case 'c003'"):
                hits(archive)
    with closegap.search.open(here) as one, closegap.search.open(there) as other:
        question = Query([Part.case("c008", modality="image")], k=30)
        assert [hit.id for hit in one.ask(question).hits] == [hit.id for hit in other.ask(question).hits]
        assert one.rows() == other.rows()


def test_commands_work_on_it(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "set.safetensors", tmp_path / "archive"
    embedded(60).save(path)
    assert main(["index", "build", str(path), "--engine", address, "--out", str(out)]) == 0
    assert main(["index", "add", str(out), str(path)]) == 0
    assert "0 rows embedded" in capsys.readouterr().out
    assert main(["index", "delete", str(out), "--case", "c005"]) == 0
    assert main(["index", "purge", str(out)]) == 0
    assert main(["index", "fit", str(out), "--posthoc", "shift"]) == 0
    capsys.readouterr()
    assert main(["index", "stats", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["engine"], told["unpurged"], told["rows"]["report"]) == (address, 0, 59)
    assert main(["search", str(out), "--id", "c001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"]


def test_each_change_leaves_the_partitions_that_are_searched_with_graphs(
    tmp_path: Path, postgres: database.Server
) -> None:
    def missing() -> list[str]:
        query = "SELECT name FROM roco.partitions WHERE graphed = 0 ORDER BY name"
        with postgres.connected(tmp_path) as connection:
            return [name for (name,) in connection.execute(query)]

    out = filled(tmp_path / "a", f"{postgres.url(tmp_path)}&schema=roco&hnsw=true", Wanted("center", "zscore"))
    assert missing() == []
    with Archive(out, "write") as archive:
        archive.delete(groups=["p001"])
        archive.purge()
        assert missing() == []
        assert len({*archive.stats().widths}) == 2 * len(MODALITIES)
        refit(archive, Wanted("shift", "zscore"))
        assert missing() == []
        assert len({*archive.stats().widths}) == 3 * len(MODALITIES)
        add(archive, FeedOfSet(embedded()))
        assert missing() == []
        assert [hit.id for hit in archive.ask(Query([Part.case("c003")], k=9, exact=False)).hits]


def test_an_address_belongs_to_one_archive(tmp_path: Path, address: str) -> None:
    first = filled(tmp_path / "first", address)
    for out in ("second", "first"):
        with pytest.raises(UsageError, match="holds the rows of another archive") as refused:
            filled(tmp_path / out, address, overwrite=True)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / f"{out}.parts").exists()
    with closegap.search.open(first) as archive:
        assert len(hits(archive)) == 40


def test_what_replaces_an_archive_empties_where_its_rows_lay(tmp_path: Path, address: str) -> None:
    out, other = filled(tmp_path / "a", address), address.replace("roco", "new")
    if other == address:
        other = f"{address}_new"
    held = closegap.search.open(out)
    filled(out, other, overwrite=True)
    with open_index(address) as index:
        assert (index.stats().widths, index.stats().unpurged, index.corrections()) == ({}, 0, {})
    with pytest.raises(DataError, match="holds the rows of another archive, or of none"):
        hits(held)
    held.close()
    filled(out, None, overwrite=True)
    with open_index(other) as index:
        assert index.stats().rows == {}
    filled(tmp_path / "b", address)


def test_nothing_is_sent_before_the_gate_has_opened(tmp_path: Path, address: str) -> None:
    source = Opened(FeedOfSet(embedded()), "test", "test")
    with pytest.raises(ClosegapError, match="nothing is published"):
        build(source, Plan(gate=Gate(0.01), engine=address), tmp_path / "a")
    with open_index(address) as index:
        assert index.stats().rows == {}
    build(source, Plan(gate=Gate(0.01, accepted=True), engine=address), tmp_path / "a")
    with closegap.search.open(tmp_path / "a") as archive:
        assert sum(archive.rows().values()) == sum(int(embedded().mask(name).sum()) for name in MODALITIES)


@pytest.mark.parametrize("change", [1, 2, 5, 8, 16])
def test_a_kill_at_any_block_loses_and_repeats_nothing(tmp_path: Path, postgres: database.Server, change: int) -> None:
    address = f"{postgres.url(tmp_path)}&schema=roco"
    script = f"""
import os, signal
from pathlib import Path
from closegap.search.postgres.index import PostgresIndex
from closegap.search.archive import adding
from tests.search.test_archive_engine import filled
adding._BLOCK = 100
insert, put, seen = PostgresIndex.insert, PostgresIndex.insert_corrections, []
def counted(call):
    def counting(index, given):
        seen.append(0)
        if len(seen) == {change}: os.kill(os.getpid(), signal.SIGKILL)
        found = call(index, given)
        seen.append(0)
        if len(seen) == {change}: os.kill(os.getpid(), signal.SIGKILL)
        return found
    return counting
PostgresIndex.insert, PostgresIndex.insert_corrections = counted(insert), counted(put)
filled(Path({str(tmp_path / "a")!r}), {address!r})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    filled(tmp_path / "a", address)
    built(tmp_path / "b", wanted=Wanted("center", "zscore"))
    with Archive(tmp_path / "a") as one, Archive(tmp_path / "b") as other:
        assert one.stats().rows == other.stats().rows
        for name in other.stats().widths:
            assert one.index.ids(name) == other.index.ids(name)
            ids = other.index.ids(name)
            assert np.array_equal(one.index.read(name, ids).vectors, other.index.read(name, ids).vectors)


def test_no_password_is_kept_or_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.safetensors"
    embedded(20).save(path)
    for address in (
        "postgresql://me:s3cret@localhost/db",
        "postgresql://me@localhost/db?password=s3cret",
        "milvus://me:s3cret@localhost",
        "my_package.MyIndex://me:s3cret@somewhere",
        "s3cret",
    ):
        assert main(["index", "build", str(path), "--engine", address, "--out", str(tmp_path / "a")]) == 2
        said = capsys.readouterr()
        assert len(said.err.strip().splitlines()) == 1
        assert address == "s3cret" or "s3cret" not in said.out + said.err
    assert not list(tmp_path.glob("a*"))


def test_a_password_of_the_environment_opens_it_and_stands_nowhere(
    tmp_path: Path, postgres: database.Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with postgres.connected() as connection:
        connection.execute("CREATE ROLE keeper LOGIN PASSWORD 's3cret'")
    postgres.url(tmp_path)
    with postgres.connected(tmp_path) as connection:
        name = connection.execute("SELECT current_database()").fetchone()
        assert name is not None
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"GRANT CREATE ON DATABASE {name[0]} TO keeper")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    folder = filled(tmp_path / "a", f"postgresql://keeper@/{name[0]}?host={postgres.host}&schema=roco")
    with closegap.search.open(folder) as archive:
        assert len(hits(archive)) == 40
    assert all(b"s3cret" not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    said = capfd.readouterr()
    assert "s3cret" not in said.out + said.err


def test_a_class_of_somebody_else_is_not_imported_unasked(tmp_path: Path) -> None:
    address = f"closegap.search.EmbeddedIndex://{tmp_path}/rows"
    folder = filled(tmp_path / "a", address)
    assert About.read(folder).engine is not None
    said = json.loads((folder / ABOUT).read_text())
    said["engine"]["address"] = f"tests.search.no_such.Index://{tmp_path}/rows"
    (folder / ABOUT).write_text(json.dumps(said))
    with pytest.raises(UsageError, match="which is not trusted"):
        Archive(folder)
    with pytest.raises(UsageError, match="cannot be imported"):
        Archive(folder, trusted=["tests.search.no_such.Index"])


def test_another_archive_at_the_address_is_told(tmp_path: Path) -> None:
    folder = filled(tmp_path / "a", f"closegap.search.EmbeddedIndex://{tmp_path}/rows")
    about = About.read(folder)
    with EmbeddedIndex(tmp_path / "rows", "write") as index:
        files = {name: content for name, content in index.corrections().items() if name != "archive"}
        index.put_corrections({**files, "archive": b"another"})
        with pytest.raises(UsageError, match="of another archive"):
            Archive(folder)
        index.put_corrections(signed(files, about.engine))
    with closegap.search.open(folder) as archive:
        assert len(hits(archive)) == 40


def question(case: str) -> dict[str, Any]:
    return {"cases": [{"id": case}], "k": 5}


def test_a_service_says_that_the_server_is_away_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with database.running() as server:
        folder = filled(tmp_path / "a", f"{server.address.url(tmp_path)}&schema=roco")
        with served(folder) as service, service.client() as client:
            before = client.post("/v1/search", json=question("c003"))
            assert before.status_code == 200
            server.break_off()
            away = client.post("/v1/search", json=question("c003"))
            assert away.status_code == 503
            assert "Retry-After" in away.headers
            assert str(server.address.host) not in away.text
            server.start()
            end = time.monotonic() + 60
            while (after := client.post("/v1/search", json=question("c003"))).status_code == 503:
                assert time.monotonic() < end
                time.sleep(0.2)
            assert after.json()["corrected"] == before.json()["corrected"]
        assert "Traceback" not in service.said.read_text()


def test_many_clients_are_told_that_the_server_is_away_and_go_on_when_it_is_back(tmp_path: Path) -> None:
    clients, enough = 8, 20
    with database.running() as server:
        folder = filled(tmp_path / "a", f"{server.address.url(tmp_path)}&schema=roco")
        with served(folder, "--rate", "100000", "--burst", "100000") as service:
            with service.client() as client:
                cases = [f"c{number:03}" for number in range(clients)]
                expected = {case: client.post("/v1/search", json=question(case)).json()["corrected"] for case in cases}
            answers: dict[str, list[httpx.Response]] = {case: [] for case in expected}
            ended = threading.Event()

            def ask(case: str) -> None:
                with service.client() as client:
                    while not ended.is_set():
                        answers[case].append(client.post("/v1/search", json=question(case)))

            def until(reached: Callable[[list[httpx.Response]], bool]) -> None:
                end = time.monotonic() + 120
                while not all(map(reached, answers.values())):
                    assert time.monotonic() < end
                    time.sleep(0.05)

            with ThreadPoolExecutor(clients) as pool:
                asking = [pool.submit(ask, case) for case in expected]
                try:
                    until(lambda found: len(found) >= 3)
                    server.break_off()
                    until(lambda found: sum(one.status_code == 503 for one in found) >= 3)
                    server.start()
                    until(lambda found: all(one.status_code == 200 for one in found[-enough:]))
                finally:
                    ended.set()
            for client_of in asking:
                client_of.result()
        for case, found in answers.items():
            assert {one.status_code for one in found} == {200, 503}
            for one in found:
                if one.status_code == 200:
                    assert one.json()["corrected"] == expected[case]
                else:
                    assert one.headers["Retry-After"]
                    assert one.json() == {"error": "the archive's engine does not answer; try again"}
        assert "Traceback" not in service.said.read_text()
