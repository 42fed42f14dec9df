"""One value per row (ids, groups, labels, concepts) from a text file, a table or an array."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from closegap.embeddings.array_file import ArrayFile, reading
from closegap.errors import DataError, UsageError
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
            lines = source.path.read_text(encoding="utf-8-sig").split("\n")  # splitlines also splits inside texts
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
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise DataError(
            f"{source.path}: {array.dtype} of shape {array.shape}; expected one dimension of strings or integers"
        )
    values: list[Any] = array.tolist()
    return values


def _text(value: Any, row: int, source: ArrayFile) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str | int):
        raise DataError(f"{source.path}: row {row} holds {value!r}; expected text or an integer")
    return str(value)
