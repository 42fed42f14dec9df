"""Rows of comma- or tab-separated values, with the line of each; what cannot be read is named, never dropped."""

import csv
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice, repeat
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from closegap.errors import DataError

_LONGEST_ROW = 2**24  # bytes; the parser sees a block of this size at once
_NEWLINE = r"\r\n|\r|\n"
_BYTES = "latin-1"  # gives every byte a letter, so that a file that is not UTF-8 comes through whole
_AT_ONCE = 2**20


@dataclass(frozen=True)
class SeparatedRow:
    """A row.

    Args:
        line: where it begins, from 1.
        cells: as many as the header has; none of a blank line or a broken row.
        reason: of a broken row, a short fixed key; "" of a sound one.
        message: of a broken row, what was found and expected.
    """

    line: int
    cells: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""


def separated_header(path: Path, delimiter: str = ",") -> list[str]:
    """The cells of the first row; none where it is blank.

    Raises:
        DataError: it is no row of separated values.
    """
    try:
        with _text(path) as file:
            return next(csv.reader(file, delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path}, line 1: no row of separated values ({error})") from error


def separated_rows(path: Path, delimiter: str = ",") -> Iterator[SeparatedRow]:
    """All rows after the header, in their order: sound, blank and broken ones.

    Raises:
        DataError: a row of more than 16 MiB.
    """
    width = max(1, len(separated_header(path, delimiter)))
    if path.stat().st_size == 0:
        return
    last = None
    try:
        for row in _rows(path, delimiter, width):
            if last is not None:
                yield last
            last = row
    except pa.ArrowInvalid as error:
        reason = f"no row of separated values of at most {_LONGEST_ROW >> 20} MiB; is a quote never closed?"
        raise DataError(f"{path}, after line {1 if last is None else last.line}: {reason} ({error})") from error
    if last is not None:
        yield _unclosed(last.line) if _open_at_the_end(path, delimiter, last) else last


def _rows(path: Path, delimiter: str, width: int) -> Iterator[SeparatedRow]:
    """The rows after the header, as the parser splits them."""
    broken: dict[int, pa_csv.InvalidRow] = {}  # the parser reports these ahead of the rows around them

    def keep(row: pa_csv.InvalidRow) -> str:
        broken[row.number] = row
        return "skip"

    blank_lines: frozenset[int] | None = None
    number = line = 1
    encoding = "utf-8" if _is_utf8(path) else _BYTES
    with path.open("rb") as file:
        for batch in _batches(file, delimiter, width, keep, encoding):
            columns = [column.to_pylist() if encoding != _BYTES else _decoded(column) for column in batch]
            for cells, newlines in zip(zip(*columns, strict=True), _newlines(batch), strict=True):
                while number in broken:
                    yield _wrong_width(line, broken[number], delimiter)
                    line += 1 + _newlines_of(broken.pop(number).text)
                    number += 1
                if number == 1:
                    pass  # the header
                elif None in cells:
                    yield SeparatedRow(line, (), "not UTF-8", "a byte that is not UTF-8; save the file as UTF-8")
                elif any(cells):
                    yield SeparatedRow(line, cells)
                else:  # a blank line and a row of blank cells look alike to the parser
                    blank_lines = _blank_lines(path) if blank_lines is None else blank_lines
                    yield SeparatedRow(line, () if line in blank_lines else cells)
                line += 1 + newlines
                number += 1
    for number in sorted(broken):
        yield _wrong_width(line, broken[number], delimiter)
        line += 1 + _newlines_of(broken[number].text)


def _batches(
    file: BinaryIO, delimiter: str, width: int, on_wrong_width: Callable[[pa_csv.InvalidRow], str], encoding: str
) -> Iterator[pa.RecordBatch]:
    """The table, header included."""
    if file.read(3) != b"\xef\xbb\xbf":  # a byte-order mark
        file.seek(0)
    names = [str(column) for column in range(width)]
    yield from pa_csv.open_csv(
        file,
        pa_csv.ReadOptions(use_threads=False, block_size=_LONGEST_ROW, column_names=names, encoding=encoding),
        pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=on_wrong_width
        ),
        pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _is_utf8(path: Path) -> bool:
    decoder = getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while content := file.read(_AT_ONCE):
                decoder.decode(content)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _decoded(column: pa.Array) -> list[str | None]:
    """The cells, whose letters stand for bytes, as text; None of one that is not UTF-8."""
    return [_utf8(cell.encode(_BYTES)) for cell in column.to_pylist()]


def _utf8(cell: bytes) -> str | None:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return None


def _newlines(batch: pa.RecordBatch) -> Iterable[int]:
    """How many newlines are inside each row."""
    counts = [
        pc.count_substring_regex(column, _NEWLINE).to_numpy()
        for column in batch
        if pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py()
    ]
    return np.sum(counts, axis=0).tolist() if counts else repeat(0, batch.num_rows)


def _newlines_of(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _wrong_width(line: int, row: pa_csv.InvalidRow, delimiter: str) -> SeparatedRow:
    message = (
        f"{row.actual_columns} fields, expected {row.expected_columns} as in the header; quote what holds '{delimiter}'"
    )
    return SeparatedRow(line, (), "wrong number of fields", message)


def _unclosed(line: int) -> SeparatedRow:
    message = "a quote that is never closed; close it, or double it where it is meant as a letter"
    return SeparatedRow(line, (), "quote not closed", message)


def _open_at_the_end(path: Path, delimiter: str, last: SeparatedRow) -> bool:
    """Whether the last row would swallow whatever came after it."""
    if last.cells and not last.cells[-1].endswith(("\n", "\r")) and _ends_a_line(path):
        return False
    with _text(path) as file:
        rest = "".join(islice(file, last.line - 1, None))
    split: list[pa_csv.InvalidRow] = []

    def keep(row: pa_csv.InvalidRow) -> str:
        split.append(row)
        return "skip"

    probe = BytesIO(f"{rest}\n\n".encode("utf-8", "surrogateescape"))
    whole = sum(batch.num_rows for batch in _batches(probe, delimiter, 1, keep, _BYTES))
    return bool(whole + len(split) == 1)  # the blank line is inside it


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, SEEK_END)
        return file.read() in b"\r\n"


def _blank_lines(path: Path) -> frozenset[int]:
    with _text(path) as file:
        return frozenset(number for number, line in enumerate(file, start=1) if not line.strip("\r\n"))


def _text(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="", errors="surrogateescape")
