"""Questions to an archive over HTTP, `closegap serve` on loopback, beside the same questions in this process.

    OMP_NUM_THREADS=1 python benchmarks/index_service.py --rows 100000 --questions 300 --storage sq8

A question names a case, searches both modalities, and gets the corrected list and the one by cosine, ten hits each, as
the page asks for them. The archive has 512 numbers a row, no model, a standardising stage.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from index_rows import MODALITIES, write_rows
from measure import options, write

import closegap.search
from closegap.embeddings import EmbeddingSet
from closegap.search import Part, Query
from closegap.search.archive.building import Plan, build
from closegap.search.archive.feed_of_set import FeedOfSet
from closegap.search.archive.fitting import Wanted
from closegap.search.archive.sources import Opened


def archive(folder: Path, rows: int, width: int, storage: Any) -> Path:
    """An archive of simulated rows."""
    write_rows(folder, rows, width)
    arrays = {name: np.load(folder / f"{name}.npy") for name in MODALITIES}
    embeddings = EmbeddingSet.from_arrays(**arrays)
    plan = Plan(Wanted(scores="standardise", calibrate="none", fit_on="archive"), storage=storage)
    build(Opened(FeedOfSet(embeddings), "simulated", "simulated"), plan, folder / "archive")
    return folder / "archive"


@contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    """A client of a service that answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    limits = ["--rate", "10000", "--burst", "10000"]
    command = [sys.executable, "-m", "closegap", "serve", str(folder), "--port", port, *limits]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not _ready(client):
                time.sleep(0.2)
            yield client
    finally:
        process.terminate()
        process.wait()


def timed(call: Callable[[str], object], names: list[str]) -> dict[str, float]:
    """Milliseconds of a call."""
    for name in names[:5]:
        call(name)
    took = []
    for name in names:
        began = time.perf_counter()
        call(name)
        took.append(1e3 * (time.perf_counter() - began))
    return {"p50_ms": float(np.percentile(took, 50)), "p99_ms": float(np.percentile(took, 99))}


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def main() -> None:
    given = options(__doc__ or "", rows=100_000, width=512, questions=300, storage="float32")
    with tempfile.TemporaryDirectory() as temporary:
        folder = archive(Path(temporary), given.rows, given.width, given.storage)
        chosen = np.random.default_rng(3).integers(0, given.rows, given.questions)
        with closegap.search.open(folder) as opened:
            ids = opened.index.ids("image")
            names = [ids[place] for place in chosen]
            questions: dict[str, list[Query]] = {
                name: [Query([Part.case(name)], 10, merge=merge) for merge in ("corrected", "cosine")] for name in names
            }
            here = timed(lambda name: [opened.ask(question) for question in questions[name]], names)
        with served(folder) as client:

            def post(name: str) -> None:
                client.post("/v1/search", json={"cases": [{"id": name}], "k": 10}).raise_for_status()

            there = timed(post, names)
    rows = [
        {"storage": given.storage, "rows": given.rows, "through": through, **found}
        for through, found in (("this process", here), ("HTTP", there))
    ]
    write("index_service", rows, ["storage", "rows", "through", "p50_ms", "p99_ms"], given.out)


if __name__ == "__main__":
    main()
