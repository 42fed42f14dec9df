"""Rows of a published table: compressed or not, in any encoding, read one after the other."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from closegap.data.case import BrokenRow
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def raw_rows(path: Path, columns: Sequence[str], encoding: str = "utf-8") -> Iterator[TableRow | BrokenRow]:
    """The named columns of a table's rows, blanks around cells left out; never more than a row in memory.

    Args:
        path: .csv, .tsv, either with .gz; .jsonl or .parquet.
        columns: expected there.
        encoding: of CSV and TSV.

    Raises:
        DataError: no such file or column, an unknown format or encoding, or a file that breaks off.
    """
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix in _DELIMITERS:
        yield from _separated(path, _DELIMITERS[plain.suffix], columns, encoding)
        return
    _expect(path, columns, table_columns(path))
    for row in table_rows(path):
        yield (
            row if isinstance(row, BrokenRow) else TableRow(row.where, {name: row.cells.get(name) for name in columns})
        )


def _separated(path: Path, delimiter: str, columns: Sequence[str], encoding: str) -> Iterator[TableRow | BrokenRow]:
    if not path.is_file():
        found = "is no file" if path.exists() else "no such file"
        raise DataError(f"{path}: {found}; expected a table (.csv, .tsv, either with .gz, .jsonl, .parquet)")
    line = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as binary:
            file = TextIOWrapper(binary, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, [])
            places = _places(path, columns, header)
            line = reader.line_num
            for cells in reader:
                where, line = f"{path}, line {line + 1}", reader.line_num
                if len(cells) == len(header):
                    yield TableRow(where, {name: cells[place].strip() for name, place in places.items()})
                elif cells:
                    message = f"found {len(cells)} fields, expected {len(header)}; quote what holds a delimiter"
                    yield BrokenRow("wrong number of fields", where, message)
    except LookupError as error:
        raise DataError(f"{path}: {error}; name the encoding, such as utf-8 or cp1252") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, after line {line}: not {encoding} ({error.reason}); name the encoding") from error
    except csv.Error as error:
        raise DataError(f"{path}, after line {line}: no row of separated values ({error})") from error
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}, after line {line}: cannot be read on ({error})") from error


def _places(path: Path, columns: Sequence[str], header: Sequence[str]) -> Mapping[str, int]:
    names = [name.strip() for name in header]
    _expect(path, columns, names)
    return {name: names.index(name) for name in columns}


def _expect(path: Path, columns: Sequence[str], found: Sequence[Any]) -> None:
    for name in columns:
        if name not in found:
            there = ", ".join(map(repr, found[:30])) + (" ..." if len(found) > 30 else "")
            raise DataError(f"{path}: expected a column '{name}', found {there or 'none'}")
        if list(found).count(name) > 1:
            raise DataError(f"{path}: column '{name}' is there {list(found).count(name)} times; rename one")
