"""Rows of a CSV, TSV, JSONL or Parquet table, with the place of each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.data.case import BrokenRow
from closegap.errors import DataError
from closegap.printable import is_text
from closegap.separated import separated_header, separated_rows

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class TableRow:
    """A row.

    Args:
        where: file and line or row.
        cells: column to value: strings from CSV, whatever the format holds from the others.
    """

    where: str
    cells: Mapping[str, Any]


def table_columns(path: Path) -> list[str]:
    """The columns of the table; of a JSONL table, every key of its objects.

    Raises:
        DataError: no such file, an unknown format, or a damaged one.
    """
    if not path.is_file():
        found = "is no file" if path.exists() else "no such file"
        raise DataError(f"{path}: {found}; expected a table (.csv, .tsv, .jsonl, .parquet)")
    if path.suffix in _DELIMITERS:
        return separated_header(path, _DELIMITERS[path.suffix])
    if path.suffix == ".jsonl":
        return list(dict.fromkeys(key for row in _jsonl(path) if isinstance(row, TableRow) for key in row.cells))
    if path.suffix == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    raise DataError(f"{path}: unknown format '{path.suffix}'; expected a table (.csv, .tsv, .jsonl, .parquet)")


def table_rows(path: Path) -> Iterator[TableRow | BrokenRow]:
    """All rows, and those that cannot be read."""
    if path.suffix in _DELIMITERS:
        yield from _delimited(path, _DELIMITERS[path.suffix])
    elif path.suffix == ".jsonl":
        yield from _jsonl(path)
    else:
        yield from _parquet_rows(path)


def _delimited(path: Path, delimiter: str) -> Iterator[TableRow | BrokenRow]:
    header = separated_header(path, delimiter) or [""]
    for row in separated_rows(path, delimiter):
        where = f"{path}, line {row.line}"
        if row.reason:
            yield BrokenRow(row.reason, where, row.message)
        elif row.cells:
            yield TableRow(where, dict(zip(header, row.cells, strict=True)))


def _jsonl(path: Path) -> Iterator[TableRow | BrokenRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                yield TableRow(where, _object(line.decode("utf-8-sig" if number == 1 else "utf-8")))
            except (ValueError, RecursionError) as error:  # also what is not UTF-8
                yield BrokenRow("not JSON", where, f"expected one JSON object in the line ({error})")


def _object(line: str) -> dict[str, Any]:
    cells = json.loads(line)
    if not isinstance(cells, dict):
        raise ValueError(f"found {type(cells).__name__}")
    if "\\ud" in line.lower() and not is_text(json.dumps(cells, ensure_ascii=False)):
        raise ValueError("found half a character, such as \\ud800, which no file can hold")
    return cells


def _parquet_rows(path: Path) -> Iterator[TableRow]:
    number = 0
    opened = _parquet(path)
    try:
        for batch in opened.iter_batches(batch_size=1024):
            for cells in batch.to_pylist():
                number += 1
                yield TableRow(f"{path}, row {number}", cells)
    except (pa.ArrowException, ValueError, OverflowError, OSError) as error:  # also what is not UTF-8, or no date
        raise DataError(f"{path}: damaged, or not readable, after row {number} ({error})") from error


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file, or a damaged one ({error})") from error
