"""The engine in Milvus holds to what is asked of every index, on real servers and in this process.

Each test runs on a server process of milvus-lite's, and on the standalone if `milvus-server` is on the PATH, which
`pip install milvus==2.3.5` brings into an environment of its own.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from tests.search.milvus_server import LITE, STANDALONE, Running, running

from closegap.errors import DataError, UnavailableError, UsageError
from closegap.search import Batch, MilvusIndex, Row, open_index
from closegap.search.milvus.address import Address
from closegap.search.milvus.rows import insert, mark
from closegap.search.milvus.state import Client
from closegap.testing import check_index


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module", params=[LITE, STANDALONE], ids=["lite", "standalone"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    if which(request.param[0]) is None:
        pytest.skip(f"no {request.param[0]} on the PATH: the standalone is not checked")
    with running(request.param) as started:
        yield started


def rows(count: int, kinds: int | None = None) -> Batch:
    """Rows with ages; of only so many different vectors, if said."""
    rng = np.random.default_rng(count)
    vectors = rng.standard_normal((kinds or count, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors[rng.integers(0, kinds, count)] if kinds else vectors
    return Batch([Row(f"r{n}", str(n), f"g{n // 2}", {"age": n % 90}) for n in range(count)], vectors)


def test_it_is_an_index(server: Running) -> None:
    check_index(server.address, server.address.keeps, kills=1)


@pytest.mark.parametrize("where", [None, "age < 45", "age == 7", "age == 100"])
def test_many_equal_rows_come_in_their_order(server: Running, where: str | None) -> None:
    asked = np.random.default_rng(1).standard_normal((1, 16)).astype(np.float32)
    with server.address(Path("ties"), "write") as index:
        index.add({"image": rows(4500, kinds=2)})
        found = index.search("image", asked, 30, where)
        kept = index.read("image", index.ids("image"))
    scores = (asked.astype(np.float64)[:, None] * kept.vectors.astype(np.float64)).sum(axis=2)[0]
    order = [int(at) for at in np.argsort(-scores, kind="stable")]
    age = {None: range(90), "age < 45": range(45), "age == 7": [7], "age == 100": []}[where]
    expected = [kept.rows[at].id for at in order if kept.rows[at].payload["age"] in age][:30]
    assert [row.id for row in found.rows[0]] == expected


def test_what_a_killed_writer_left_is_taken_back(server: Running, tmp_path: Path) -> None:
    with server.address(tmp_path, "write") as index:
        index.add({"image": rows(10)})
        client = Client(Address.of(server.address.url(tmp_path)))
        with client.told() as milvus:
            state = client.state(milvus)
            collection = state.parts["image"].collection
            [entity] = milvus.query(collection, filter=f"place == {state.next - 1}", output_fields=["*"])
            insert(milvus, collection, [{**entity, "place": state.next + 5}])
            mark(milvus, collection, [state.next - 2], state.generation + 1)
        assert index.ids("image") == [f"r{n}" for n in range(10)]
    with server.address(tmp_path, "write") as index:
        index.put_corrections({"map": b"1"})
        assert index.ids("image") == [f"r{n}" for n in range(10)]
        index.add({"image": Batch([Row("new", "new", "new")], np.eye(1, 16))})
        assert index.ids("image") == [*(f"r{n}" for n in range(10)), "new"]
        assert index.stats().rows == {"image": 11}
        client.close()


def test_what_is_broken_off_is_taken_back_by_the_next_change(server: Running, tmp_path: Path) -> None:
    with server.address(tmp_path, "write") as index:
        index.add({"image": rows(10), "text": Batch([Row("a", "1", "g")], np.eye(1, 4))})
        changed = Batch([Row("r8", "8", "g"), Row("new", "9", "g")], np.eye(2, 16))
        with pytest.raises(DataError, match="vectors of width 16 given, expected 4"):
            index.insert({"image": changed, "text": changed})
        assert index.ids("image") == [f"r{n}" for n in range(10)]
        index.put_corrections({"map": b"1"})
        assert index.ids("image") == [f"r{n}" for n in range(10)]
        assert index.stats().unpurged == 0


def test_a_row_too_long_for_milvus_is_refused(server: Running, tmp_path: Path) -> None:
    with server.address(tmp_path, "write") as index:
        for row, preview in ((Row("a", "1", "g", {"text": "x" * 70_000}), b""), (Row("a", "1", "g"), b"x" * 60_000)):
            with pytest.raises(DataError, match=r"row 'a' has a (payload|preview) of .* characters"):
                index.add({"image": rows(2), "text": Batch([row], np.eye(1, 16), [preview])})
        assert index.stats().rows == {}
        large = {"map": np.random.default_rng(0).bytes(200_000), "empty": b""}
        index.put_corrections(large)
        assert index.corrections() == large


def test_a_server_that_goes_away_is_said_and_found_again(server: Running, tmp_path: Path) -> None:
    with server.address(tmp_path, "write") as index:
        index.add({"image": rows(50)})
        server.kill()
        with pytest.raises(UnavailableError, match="the server does not answer") as refused:
            index.search("image", np.ones((1, 16)), 5)
        assert len(str(refused.value).splitlines()) == 1
        server.start()
        end = time.monotonic() + 60
        while True:
            try:
                found = index.search("image", np.ones((1, 16)), 5)
                break
            except UnavailableError:  # it listens before it answers
                assert time.monotonic() < end
        assert len(found.rows[0]) == 5
        assert index.add({"image": rows(50)}) == 0


def test_a_file_in_this_process(tmp_path: Path) -> None:
    url = f"milvus://{tmp_path}/archive.db"
    with pytest.raises(UsageError, match="no index; build one"):
        open_index(url)
    with open_index(url, "write") as index:
        assert isinstance(index, MilvusIndex)
        assert index.add({"image": rows(20), "text": rows(20)}) == 40
        assert index.delete(groups=["g3"]) == 4
        index.purge()
    with open_index(url) as index:
        assert index.stats().rows == {"image": 18, "text": 18}
        assert [row.id for row in index.search("image", rows(20).vectors[:1], 1).rows[0]] == ["r0"]
        with pytest.raises(UsageError, match="was opened to be read"):
            index.add({"image": rows(2)})
