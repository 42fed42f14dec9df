"""Rows as codes of one byte a number, which a search compares in place of rows: a quarter of what is read.

A number x is about middle + step * code, middle and step of its dimension, code from -127 to 127, so that
q . x is about q . middle + (q * step) . code, a product of whole numbers once the query is rounded to some, too. By how
much either may be off is known, so that a search knows which rows it has to look at: it finds what rows alone would.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from closegap.search.embedded.lists import Lists, append_to_lists, are_wanted, listed, read_lists, write_lists
from closegap.search.embedded.rows import append, mapped
from closegap.search.embedded.scan import scanned

_ENOUGH = 65_536  # rows from which ranges are known well
_GROWN = 4  # times as many rows as ranges were taken from have them taken anew
_BLOCK = 8192  # rows encoded at a time
_SLACK = 1e-5  # in `error`, which is computed in float32
_MOST = 127  # of a code, and of a query's numbers
_ZERO = 128  # added to a code, which is stored without a sign
_MARGIN = 1.25  # of ranges, for rows that come later
_LEAST = 1e-9  # step of a dimension in which all rows are the same


@dataclass(frozen=True, eq=False)
class Coder:
    """What codes stand for.

    Args:
        middle: of each dimension's range.
        step: between two codes of a dimension.
    """

    middle: Float[np.ndarray, "d"]
    step: Float[np.ndarray, "d"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n d"]) -> "Coder":
        """Of the range of some rows."""
        low, high = rows.min(axis=0), rows.max(axis=0)
        return cls((low + high) / 2, np.maximum(_MARGIN * (high - low) / (2 * _MOST), _LEAST).astype(np.float32))

    def encoded(self, rows: Float[np.ndarray, "n d"]) -> tuple[UInt8[np.ndarray, "n d"], float, float]:
        """The codes, the largest distance of a row from what they stand for, and the largest norm of a row's codes."""
        off = rows - self.middle
        codes = np.clip(np.rint(off / self.step), -_MOST, _MOST)
        off -= self.step * codes
        error, length = (float(np.linalg.norm(part, axis=1).max(initial=0)) for part in (off, codes))
        return (codes + _ZERO).astype(np.uint8), error, length


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of a partition's rows.

    Args:
        coder: that made them.
        stored: the codes, without sign.
        lists: by which they lie; None if as the rows do.
        error: the largest distance of a row from what its codes stand for.
        length: the largest norm of a row's codes.
    """

    coder: Coder
    stored: UInt8[np.ndarray, "n d"]
    error: float
    length: float
    lists: Lists | None = None

    def nearest(
        self, queries: Float[np.ndarray, "q d"], k: int, allowed: Bool[np.ndarray, "n"] | None
    ) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"], Float[np.ndarray, "q"]]:
        """Inner products with what codes stand for and places, best first; and by how much they may be off."""
        return self._among(queries, k, allowed, None)

    def near(
        self, query: Float[np.ndarray, "d"], k: int, allowed: Bool[np.ndarray, "n"] | None
    ) -> Int[np.ndarray, "m"] | None:
        """Places of the `k` best rows in the lists near a query, or of fewer; None where there are no lists."""
        if self.lists is None:
            return None
        share = 1.0 if allowed is None else float(allowed.mean())
        places = self._among(query[None], k, allowed, self.lists.near(query, share))[1][0]
        found: Int[np.ndarray, m] = places[places >= 0]
        return found

    def _among(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        allowed: Bool[np.ndarray, "n"] | None,
        ranges: Sequence[tuple[int, int]] | None,
    ) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"], Float[np.ndarray, "q"]]:
        double = queries.astype(np.float64)
        folded = double * self.coder.step
        unit = np.maximum(np.abs(folded).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / _MOST
        whole = np.rint(folded / unit)
        scores, places = scanned(
            self.stored,
            "QT_8bit_direct_signed",
            whole.astype(np.float32),
            k,
            allowed,
            None if self.lists is None else self.lists.order,
            ranges,
        )
        norms = np.linalg.norm(double, axis=1)
        off = (self.error + _SLACK) * norms + np.linalg.norm(folded - unit * whole, axis=1) * self.length
        return scores * unit + (double @ self.coder.middle)[:, None], places, off


def read_codes(
    connection: sqlite3.Connection, folder: Path, number: int, count: int, width: int, in_lists: bool
) -> Codes | None:
    """The codes of a partition, if it has some.

    Args:
        connection: of what is seen.
        folder: of the index.
        number: of the partition.
        count: of its rows.
        width: numbers of a row.
        in_lists: whether there may be lists.

    Raises:
        FileNotFoundError: the file was erased since.
    """
    query = "SELECT file, error, length, middle, step FROM codes WHERE partition = ?"
    found = connection.execute(query, [number]).fetchone()
    if found is None:
        return None
    file, error, length, middle, step = found
    coder = Coder(np.frombuffer(middle, "<f4"), np.frombuffer(step, "<f4"))
    lists = read_lists(connection, folder, number, count, width) if in_lists else None
    return Codes(coder, mapped(folder / file, count, width, "u1"), error, length, lists)


def append_codes(
    connection: sqlite3.Connection,
    folder: Path,
    number: int,
    rows: Float[np.ndarray, "n d"],
    added: int,
    file: str,
    in_lists: bool,
) -> None:
    """Add the codes of a partition's last rows; ranges, while it is small, and lists are made anew as it grows.

    Args:
        connection: the only one to write.
        folder: of the index.
        number: of the partition.
        rows: all that are there now.
        added: how many of them are new.
        file: a new name, for codes that are made anew.
        in_lists: whether they are to lie in lists, once there are enough.
    """
    query = "SELECT file, trained, middle, step FROM codes WHERE partition = ?"
    found = connection.execute(query, [number]).fetchone()
    of_new_ranges = found is None or (found[1] < _ENOUGH and len(rows) >= _GROWN * found[1])
    if of_new_ranges or (in_lists and are_wanted(len(rows), found[1])):
        write_codes(connection, folder, number, rows, file, in_lists)
        return
    held, _, middle, step = found
    before = len(rows) - added
    stored, error, length = Coder(np.frombuffer(middle, "<f4"), np.frombuffer(step, "<f4")).encoded(rows[before:])
    append(folder / held, before, [stored], rows.shape[1], "u1")
    if in_lists:
        append_to_lists(connection, folder, number, before, len(rows))
    query = "UPDATE codes SET error = max(error, ?), length = max(length, ?) WHERE partition = ?"
    connection.execute(query, [error, length, number])


def write_codes(
    connection: sqlite3.Connection, folder: Path, number: int, rows: Float[np.ndarray, "n d"], file: str, in_lists: bool
) -> None:
    """Encode all rows of a partition, whose ranges and lists are taken from them, into a new file."""
    connection.execute("DELETE FROM codes WHERE partition = ?", [number])
    lists = listed(rows) if in_lists and are_wanted(len(rows), 0) else None
    if in_lists:
        write_lists(connection, folder, number, lists, f"{Path(file).stem}.order")
    if not len(rows):
        return
    coder, most = Coder.of(rows[:: -(-len(rows) // _ENOUGH)]), [0.0, 0.0]

    def blocks() -> Iterator[UInt8[np.ndarray, "b d"]]:
        for start in range(0, len(rows), _BLOCK):
            some = slice(start, start + _BLOCK)
            stored, *found = coder.encoded(rows[some if lists is None else lists.order[some]])
            most[:] = map(max, most, found)
            yield stored

    append(folder / file, 0, blocks(), rows.shape[1], "u1")
    ranges = [part.astype("<f4").tobytes() for part in (coder.middle, coder.step)]
    connection.execute("INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?, ?)", [number, file, *most, len(rows), *ranges])
