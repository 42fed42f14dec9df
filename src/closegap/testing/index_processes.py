"""What an index must hold to when several processes use it: some read beside one that writes, or that is killed."""

import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from closegap.search import Batch, Index, Row

Open: TypeAlias = Callable[[Path, Literal["read", "write"]], Index]

WIDTH = 24
_ROUNDS = 14  # of adding, at least
_LOOKS = 60  # of who reads meanwhile, at least
_PATIENCE = 120.0  # seconds for another process, which may have to start on a machine that has much to do
_CONTEXT = multiprocessing.get_context("spawn")


def ensure(holds: bool, message: str) -> None:
    """Raise what does not hold.

    Raises:
        AssertionError: with the message.
    """
    if not holds:
        raise AssertionError(message)


def batch_from(start: int, count: int = 20) -> Batch:
    """Rows that say nothing of age or of sex at times; every fifth vector is that of the row before."""
    rng = np.random.default_rng(start)
    vectors = rng.standard_normal((count, WIDTH)).astype(np.float32)
    vectors[4::5] = vectors[3::5][: len(vectors[4::5])]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = []
    for number in range(start, start + count):
        payload = {"age": number * 7 % 90, "tags": [f"C{number % 3}"], "sex": "FM"[number % 2]}
        payload = payload if number % 4 else {"note": f"row {number}"}
        rows.append(Row(f"r{number}", case=str(number // 2), group=f"g{number // 4}", payload=payload))
    return Batch(rows, vectors, [row.id.encode() * 3 for row in rows])


def check_readers(opened: Open, folder: Path) -> None:
    """Another process that reads while this one writes sees whole batches alone, and the newest in the end."""
    with opened(folder, "write") as index:
        index.add({"image": batch_from(0), "text": batch_from(0)})
        ours, theirs = _CONTEXT.Pipe()
        reader = _CONTEXT.Process(target=_look, args=(opened, folder, theirs), daemon=True)
        reader.start()
        theirs.close()
        try:
            looks, rounds, end = _told(ours), 0, time.monotonic() + _PATIENCE
            ensure(looks == 1, f"another process cannot read the index: {looks or 'nothing is heard of it'}")
            while rounds < _ROUNDS or (isinstance(looks, int) and looks < _LOOKS and time.monotonic() < end):
                rounds += 1
                index.add({"image": batch_from(20 * rounds), "text": batch_from(20 * rounds)})
                if rounds % 5 == 0:
                    index.delete(cases=[str(10 * rounds)])
                    index.purge()
                while isinstance(looks, int) and ours.poll():
                    looks = ours.recv()
            rows = index.stats().rows["image"]
            if isinstance(looks, int):
                ours.send(rows)
                while isinstance(looks := _told(ours), int):
                    pass
            problem = "comes to an end" if looks is None else looks
            ensure(problem == "", f"while another process writes, a reader {problem}")
        finally:
            reader.kill()
            reader.join()


def _look(opened: Open, folder: Path, pipe: Connection) -> None:
    """Look, and say how often, until told how many rows there are; say what was wrong."""
    problem, sizes, looks, query = "", set(), 0, np.ones((1, WIDTH), np.float32)
    try:
        with opened(folder, "read") as index:
            while not problem and not pipe.poll():
                rows = index.stats().rows
                sizes.add(rows["image"])
                if rows["image"] != rows["text"]:
                    problem = f"sees {rows['image']} images and {rows['text']} texts, added together"
                scores = index.search("image", query, 100).scores[0]
                if (np.diff(scores) > 0).any():
                    problem = "finds rows out of order"
                looks += 1
                pipe.send(looks)
            rows = index.stats().rows
            sizes.add(rows["image"])
            if not problem and rows["image"] != (expected := pipe.recv()):
                problem = f"sees {rows['image']} of {expected} rows in the end"
    except Exception as error:
        problem = f"fails with {type(error).__name__}: {error}"
    pipe.send(problem or ("" if len(sizes) > 1 else "never sees a change"))


def check_kills(opened: Open, folder: Path, kills: int, rounding: float) -> None:
    """All that was added is there after a kill, and nothing in part."""
    said = 0
    for kill in range(kills):
        ours, theirs = _CONTEXT.Pipe()
        writer = _CONTEXT.Process(target=_write, args=(opened, folder, said, theirs), daemon=True)
        writer.start()
        theirs.close()
        first = _told(ours)
        ensure(
            isinstance(first, int), f"no row is added after {kill} kills: {first or 'nothing is heard of who writes'}"
        )
        time.sleep(random.Random(kill).uniform(0, 0.2))
        writer.kill()
        writer.join()
        begun = said
        with suppress(EOFError):
            while ours.poll():
                heard = ours.recv()
                ensure(isinstance(heard, int), f"who writes {heard}")
                said = heard
        with opened(folder, "read") as index:
            names, texts = _settled(index)
            whole = [f"r{number}" for number in range(len(names))]
            ensure(names == texts == whole and len(names) % 20 == 0, "after a kill, rows are there in part, or twice")
            ensure(len(names) >= 20 * max(said, begun), f"after a kill, rows that were added are lost: {len(names)}")
            said = len(names) // 20
            kept = index.read("image", names).vectors
            expected = np.concatenate([batch_from(20 * number).vectors for number in range(said)])
            ensure(
                np.allclose(kept, expected, rtol=0, atol=rounding),
                "after a kill, vectors are not those that were added",
            )


def _settled(index: Index) -> tuple[list[str], list[str]]:
    """The ids of both partitions, once they stay: a server may yet commit what it was told before the kill."""
    before: tuple[list[str], list[str]] | None = None
    for _ in range(100):
        now = index.ids("image"), index.ids("text")
        if now == before:
            break
        before = now
        time.sleep(0.1)
    return now


def _write(opened: Open, folder: Path, start: int, pipe: Connection) -> None:
    """Add batches until killed, and say how many there are, or what was wrong."""
    try:
        with opened(folder, "write") as index:
            for number in range(start, 10**6):
                index.add({"image": batch_from(20 * number), "text": batch_from(20 * number)})
                pipe.send(number + 1)
    except Exception as error:
        pipe.send(f"fails with {type(error).__name__}: {error}")


def _told(pipe: Connection) -> object:
    """What another process says; nothing if it came to an end."""
    with suppress(EOFError):
        return pipe.recv() if pipe.poll(_PATIENCE) else None
    return None
