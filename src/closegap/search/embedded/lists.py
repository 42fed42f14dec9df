"""Rows in lists of those that point about the same way, so that a search may look at some lists alone.

An inverted file: centres by k-means, each row in the list of the centre nearest to it. Codes lie in the file list after
list; behind them are those of rows that came since, which every search looks at.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from closegap.errors import needs
from closegap.search.embedded.rows import append, mapped

with needs("search"):
    import faiss

LEAST = 10_000  # rows below which there are no lists: a search of all is as quick
_GROWN = 1.5  # times as many rows as there were have lists made anew
_PER_ROOT = 2  # lists, times the root of the rows
_SHARE = 1 / 8  # of the lists that are looked at: rows nearest to a question of another modality are in many
_FEWEST = 64  # the same, where there are few
_ROUNDS = 10
_SAMPLE = 50  # rows of a list that centres are learned from
_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class Lists:
    """Which codes are of which rows, and where each list begins.

    Args:
        centres: of the lists, unit-norm.
        starts: place of each list's first code, and of the first that is in none.
        order: the row of each code.
    """

    centres: Float[np.ndarray, "l d"]
    starts: Int[np.ndarray, "m"]
    order: Int[np.ndarray, "n"]

    def near(self, query: Float[np.ndarray, "d"], share: float) -> list[tuple[int, int]]:
        """Ranges of the codes in the lists nearest to a query, and of those in none.

        Args:
            query: one.
            share: of the rows that may be found; the fewer these are, the more lists are looked at.
        """
        number = min(round(max(_FEWEST, _SHARE * len(self.centres)) / share), len(self.centres))
        scores = self.centres @ query.astype(np.float32)
        nearest = np.sort(np.argpartition(-scores, number - 1)[:number])
        ranges = list(zip(self.starts[nearest].tolist(), self.starts[nearest + 1].tolist(), strict=True))
        return [*ranges, (int(self.starts[-1]), len(self.order))]


def are_wanted(rows: int, before: int) -> bool:
    """Whether so many rows are to be put into lists, when so many were there the last time."""
    return rows >= LEAST and rows >= _GROWN * before


def listed(rows: Float[np.ndarray, "n d"]) -> Lists:
    """All rows in lists: about two times the root of their number of them."""
    number = int(_PER_ROOT * len(rows) ** 0.5)
    step = max(1, len(rows) // (_SAMPLE * number))
    training = faiss.Kmeans(
        rows.shape[1],
        number,
        niter=_ROUNDS,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=2 * _SAMPLE,
    )
    training.train(np.ascontiguousarray(rows[::step], np.float32))
    centres = np.ascontiguousarray(training.centroids, np.float32)
    labels = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), _BLOCK):
        block = np.ascontiguousarray(rows[start : start + _BLOCK], np.float32)
        labels[start : start + _BLOCK] = faiss.knn(block, centres, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
    starts = np.concatenate([[0], np.bincount(labels, minlength=number).cumsum()])
    return Lists(centres, starts.astype(np.int64), np.argsort(labels, kind="stable").astype(np.int64))


def read_lists(connection: sqlite3.Connection, folder: Path, number: int, count: int, width: int) -> Lists | None:
    """The lists of a partition, if it has some.

    Raises:
        FileNotFoundError: the file was erased since.
    """
    query = "SELECT file, starts, centres FROM lists WHERE partition = ?"
    found = connection.execute(query, [number]).fetchone()
    if found is None:
        return None
    file, starts, centres = found
    order = mapped(folder / file, count, 1, "<i8")[:, 0]
    return Lists(np.frombuffer(centres, "<f4").reshape(-1, width), np.frombuffer(starts, "<i8"), order)


def append_to_lists(connection: sqlite3.Connection, folder: Path, number: int, before: int, rows: int) -> None:
    """Say of codes that were added behind the others that they are of the last rows."""
    found = connection.execute("SELECT file FROM lists WHERE partition = ?", [number]).fetchone()
    if found is not None:
        append(folder / found[0], before, [np.arange(before, rows)[:, None]], 1, "<i8")


def write_lists(connection: sqlite3.Connection, folder: Path, number: int, lists: Lists | None, file: str) -> None:
    """Keep the lists of a partition in place of those that it had; None for none."""
    connection.execute("DELETE FROM lists WHERE partition = ?", [number])
    if lists is not None:
        append(folder / file, 0, [lists.order[:, None]], 1, "<i8")
        values = [number, file, lists.starts.astype("<i8").tobytes(), lists.centres.astype("<f4").tobytes()]
        connection.execute("INSERT INTO lists VALUES (?, ?, ?, ?)", values)
