"""One value per row (ids, groups, labels, concepts) from a text file, a table or an array."""

import re
import reprlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from closegap.embeddings.array_file import ArrayFile, reading
from closegap.embeddings.npy import mapped_npy, npy_header
from closegap.errors import DataError, UsageError
from closegap.printable import is_text
from closegap.separated import separated_header, separated_rows

_SUFFIXES = (".txt", ".csv", ".npy", ".parquet")


def read_column(source: ArrayFile | str | Path) -> list[str]:
    """One text per row.

    Args:
        source: .txt (one per line), .csv with a header or .parquet (key: the column, may be left out where there is
            one), .npy (one dimension of strings or integers). Nothing is unpickled.

    Raises:
        DataError: a missing or damaged file, a line with too many or too few fields, values that are not text or
            integers.
        UsageError: an unknown suffix or column, or several columns and no choice.
    """
    source = ArrayFile.of(source)
    return [_text(value, row, source) for row, value in enumerate(_values(source))]


def read_concepts(source: ArrayFile | str | Path) -> list[tuple[str, ...]]:
    """The concepts of each row, in the order written.

    Args:
        source: as in `read_column`, with concepts separated by semicolons or white space and empty where there are
            none; or a .parquet column of lists.

    Raises:
        DataError, UsageError: as `read_column`.
    """
    source = ArrayFile.of(source)
    return [
        tuple(_text(concept, row, source) for concept in value)
        if isinstance(value, list)
        else tuple(part for part in re.split(r"[;\s]+", _text(value, row, source)) if part)
        for row, value in enumerate(_values(source))
    ]


def _values(source: ArrayFile) -> list[Any]:
    suffix = source.path.suffix
    if suffix not in _SUFFIXES:
        raise UsageError(f"{source.path}: unknown kind of file '{suffix}'; expected {', '.join(_SUFFIXES)}")
    with reading(source.path):
        if suffix == ".txt":
            source.refuse_key()
            lines = _decoded(source.path).split("\n")  # splitlines also splits inside texts
            return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
        if suffix == ".csv":
            return _csv_column(source)
        if suffix == ".npy":
            source.refuse_key()
            return _array_column(source)
        names = pq.read_schema(source.path).names
        column = source.chosen(names, "column")
        values: list[Any] = pq.read_table(source.path, columns=[column]).column(column).to_pylist()
        return values


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: a byte that is not UTF-8; save the file as UTF-8") from error


def _csv_column(source: ArrayFile) -> list[Any]:
    header = separated_header(source.path)
    index = header.index(source.chosen(header, "column"))
    values = []
    for row in separated_rows(source.path):
        if row.reason:
            raise DataError(f"{source.path}, line {row.line}: {row.message}")
        cells = row.cells or ("",)  # a blank line is a blank value where there is one column
        if len(cells) != len(header):
            raise DataError(f"{source.path}, line {row.line}: blank, expected {len(header)} fields as in the header")
        values.append(cells[index])
    return values


def _array_column(source: ArrayFile) -> list[Any]:
    with source.path.open("rb") as file:
        header = npy_header(file, source.path.stat().st_size)
    if len(header.shape) != 1 or header.dtype.kind not in "USiu":
        raise DataError(
            f"{source.path}: {header.dtype} of shape {header.shape}; expected one dimension of strings or integers"
        )
    values: list[Any] = mapped_npy(source.path, header).tolist() if header.size else [""] * header.shape[0]
    return values


def _text(value: Any, row: int, source: ArrayFile) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str | int):
        raise DataError(f"{source.path}: row {row} holds {reprlib.repr(value)}; expected text or an integer")
    text = str(value)
    if not is_text(text):
        raise DataError(f"{source.path}: row {row} holds half a character ({reprlib.repr(text)}); write it anew")
    return text
