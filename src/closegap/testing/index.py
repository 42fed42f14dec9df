"""What every engine of an index must hold to."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from closegap.errors import DataError, UsageError
from closegap.search import Batch, Index, Row, parse_filter
from closegap.search.filter import holds
from closegap.testing.index_processes import WIDTH, Open, batch_from, check_kills, check_readers, ensure

Keeps: TypeAlias = Callable[[Path, bytes], bool]

_MANY = 1000  # more rows than an index of the check has
_FILTERS = ("age > 60", "sex == 'F' and not age < 30", "age is None", "'C1' in tags or case == '3'", "age > 1000")


def check_index(opened: Open, keeps: Keeps | None = None, kills: int = 3, rounding: float = 0.0) -> None:
    """Write to an index, read it, kill who writes to it, and compare with what numpy finds.

    - Exact search has the order of numpy's inner products, equal vectors in the order they were added.
    - What a filter finds is what is left of the whole list by `holds`; counts agree.
    - Adding again changes nothing, a changed row replaces the old one and stands last. Cases are deleted as a whole.
    - What was written is there when it is opened anew; corrections are versioned.
    - Wrong input is refused in one line, and changes nothing.
    - Another process that reads meanwhile sees whole batches alone, in both partitions.
    - After a kill, all that `add` returned from is there, and nothing in part.
    - After `purge` no byte of what was deleted is kept.

    Args:
        opened: opens the index that belongs to a folder, with "read" or "write"; a class, or a function of a module
            that other processes can import.
        keeps: whether anything kept for that folder holds some bytes; by default, whether a file in it does.
        kills: how often who writes is killed.
        rounding: by how much a number of a vector may differ from that which was added.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.search import EmbeddedIndex
        >>> check_index(EmbeddedIndex, kills=0)
    """
    with TemporaryDirectory() as folder:
        with opened(Path(folder) / "one", "write") as index:
            _check_rows(index)
            _check_corrections(index)
            _check_refusals(index)
        _check_reopened(opened, Path(folder) / "one")
        check_readers(opened, Path(folder) / "two")
        check_kills(opened, Path(folder) / "three", kills, rounding)
        _check_purge(opened, keeps or _in_files, Path(folder) / "four")


def _check_rows(index: Index) -> None:
    first, second = batch_from(0), batch_from(100)
    ensure(
        index.add({"image": first, "text": batch_from(0)}) == 40, "add did not count two batches of 20 new rows as 40"
    )
    ensure(index.add({"image": first}) == 0, "adding once more what is there counts as a change")
    ensure(index.add({"image": second}) == 20, "add did not count 20 new rows")
    _compare(index, [*first.rows, *second.rows], "after add")
    changed = Batch([Row("r3", "1", "g0", {"age": 99})], second.vectors[:1])
    ensure(index.add({"image": changed}) == 1, "a changed row is not counted")
    rows = [row for row in (*first.rows, *second.rows) if row.id != "r3"]
    _compare(index, [*rows, *changed.rows], "after a row was replaced")
    ensure(index.delete(cases=["2"]) == 4, "delete of a case did not count its rows in both partitions")
    ensure(index.delete(groups=["g0", "none"]) == 8, "delete of a group did not count the rows of its cases")
    rows = [row for row in rows if row.case != "2" and row.group != "g0"]
    _compare(index, rows, "after delete")
    ensure(index.stats().unpurged == 13, f"{index.stats().unpurged} rows are said to be unpurged, not 13")
    ensure(index.add({"image": first}) == 6, "rows that were deleted cannot be added again")
    _compare(index, [*rows, *first.rows[:6]], "after rows were added again")
    index.purge()
    ensure(index.stats().unpurged == 0, "rows are unpurged after purge")
    _compare(index, [*rows, *first.rows[:6]], "after purge")
    index.optimize()
    _compare(index, [*rows, *first.rows[:6]], "after optimize")


def _compare(index: Index, rows: list[Row], when: str) -> None:
    """The partition `image` holds these rows in this order, and searches are those of numpy."""
    names = [row.id for row in rows]
    ensure(index.ids("image") == names, f"{when}: ids are not those that were added, in their order")
    ensure(index.ids("image", limit=3) == names[:3], f"{when}: not the first ids where few are asked for")
    ensure(index.stats().rows["image"] == len(rows), f"{when}: stats count other rows")
    kept = index.read("image", names)
    ensure(list(kept.rows) == rows, f"{when}: rows are not read as they were given")
    rng = np.random.default_rng(7)
    queries = np.concatenate([rng.standard_normal((3, WIDTH)).astype(np.float32), 3 * kept.vectors[-25:]])
    order, scores = _ranked(kept.vectors, queries)
    for count in (1, 5, _MANY):
        found = index.search("image", queries, count)
        expected = [[rows[place] for place in one[:count]] for one in order]
        ensure([list(one) for one in found.rows] == expected, f"{when}: the best {count} are not those of numpy")
        wanted = np.take_along_axis(scores, order, axis=1)[:, :count]
        ensure(np.allclose(found.scores[:, : len(rows)], wanted, atol=1e-6), f"{when}: scores are not inner products")
    for text in _FILTERS:
        fits = [holds(parse_filter(text), row.values) for row in rows]
        ensure(index.count("image", text) == sum(fits), f"{when}: count differs from `holds` for {text}")
        for asked in (queries[:2], queries):
            found = index.search("image", asked, 5, text)
            expected = [[rows[place] for place in one if fits[place]][:5] for one in order[: len(asked)]]
            ensure(
                [list(one) for one in found.rows] == expected, f"{when}: filtered differs from post-filtered: {text}"
            )


def _ranked(vectors: Float[np.ndarray, "n d"], queries: Float[np.ndarray, "q d"]) -> tuple[np.ndarray, np.ndarray]:
    scores = (queries.astype(np.float64)[:, None] * vectors.astype(np.float64)).sum(axis=2)
    return np.argsort(-scores, axis=1, kind="stable"), scores


def _check_corrections(index: Index) -> None:
    ensure(index.corrections() == {}, "there are corrections before any was put")
    first = index.put_corrections({"map": b"1", "scale": b"2"})
    second = index.put_corrections({"map": b"3"})
    ensure(second > first == index.stats().version - (second - first), "versions of corrections do not grow")
    ensure(index.corrections(first) == {"map": b"1", "scale": b"2"}, "an earlier version of corrections has changed")
    ensure(index.corrections() == {"map": b"3"}, "the newest corrections are not those that were put last")


def _check_refusals(index: Index) -> None:
    before, batch = index.stats(), batch_from(500, 2)
    twice, wide = Batch([batch.rows[0]] * 2, batch.vectors), np.eye(2, WIDTH + 1)
    wrong: dict[str, Callable[[], object]] = {
        "an id twice": lambda: index.add({"text": batch, "image": twice}),
        "another width": lambda: index.add({"text": batch, "image": Batch(batch.rows, wide)}),
        "NaN": lambda: index.add({"text": batch, "image": Batch(batch.rows, batch.vectors * np.nan)}),
        "no unit norm": lambda: index.add({"text": batch, "image": Batch(batch.rows, batch.vectors * 2)}),
        "too few vectors": lambda: index.add({"image": Batch(batch.rows, batch.vectors[:1])}),
        "an unknown partition": lambda: index.search("sound", batch.vectors, 1),
        "a partition that is not there to be read": lambda: index.read("sound", []),
        "k = 0": lambda: index.search("image", batch.vectors, 0),
        "a filter that is none": lambda: index.search("image", batch.vectors, 1, "age >"),
        "one text for several cases": lambda: index.delete(cases="12"),
        "an unknown version": lambda: index.corrections(10**6),
    }
    for what, call in wrong.items():
        try:
            call()
        except (UsageError, DataError) as error:
            ensure("\n" not in str(error), f"{what} is refused in more than one line")
        else:
            raise AssertionError(f"{what} is not refused")
    ensure(index.stats() == before, "what was refused has changed the index")


def _check_reopened(opened: Open, folder: Path) -> None:
    with opened(folder, "read") as index:
        ensure(index.corrections() == {"map": b"3"}, "corrections are gone when the index is opened anew")
        _compare(index, list(index.read("image", index.ids("image")).rows), "opened anew")
        ensure(index.read("image", ["r101"]).previews == [b"r101" * 3], "previews are gone when it is opened anew")
        try:
            index.add({"image": batch_from(900)})
        except UsageError:
            return
        raise AssertionError("an index that was opened to be read is written to")


def _check_purge(opened: Open, keeps: Keeps, folder: Path) -> None:
    batch = batch_from(0)
    secrets = [batch.vectors[8].tobytes(), b"row 8", b"r8r8r8", b"what an old map holds", b"row of a dropped one"]
    rows = [row if row.case == "4" else Row(row.id, row.case, "other", {}) for row in batch.rows]
    with opened(folder, "write") as index:
        index.put_corrections({"map": secrets[3]})
        index.put_corrections({"map": b"new"})
        index.add({"image": Batch(rows, batch.vectors, batch.previews)})
        index.add({"wide": Batch([Row(secrets[4].decode(), "4", "g2")], np.eye(1, WIDTH + 1))})
        found = all(keeps(folder, secret) for secret in secrets)
        ensure(found, "`keeps` does not find what is kept; nothing is proved")
        for _ in range(2):
            index.drop("wide")
        ensure("wide" not in index.stats().widths, "a partition that was dropped is there")
        index.add({"wide": Batch([Row("kept", "5", "g3")], np.eye(1))})
        index.delete(groups=["g2"])
        index.purge()
        ensure(index.ids("wide") == ["kept"], "a dropped partition cannot be made anew")
        for secret in secrets:
            ensure(not keeps(folder, secret), f"after purge, bytes of what was deleted are kept: {secret[:20]!r}")


def _in_files(folder: Path, content: bytes) -> bool:
    return any(content in path.read_bytes() for path in folder.rglob("*") if path.is_file())
