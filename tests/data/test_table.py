"""Tables that are damaged in ways of their own: each row or file is named, and nothing else is raised."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from closegap.data.case import BrokenRow, within
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"[" * 200_000, "maximum recursion depth exceeded"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"id": ' + b"1" * 5000 + b"}", "Exceeds the limit"),
        (b'{"id": "\\ud800"}', r"found half a character, such as \ud800"),
        (b'{"\\uDC00": 1}', "half a character"),
        (b'{"a": {"b": ["\\ud800"]}}', "half a character"),
        (b'{"id": "\xed\xa0\x80"}', "can't decode"),
        (b"[1]", "found list"),
        (b"null", "found NoneType"),
        (b"\x00", "Expecting value"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_a_line_of_json_that_is_none(line: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a"}\n' + line + b'\n{"id": "\\ud83d\\ude00"}\n')
    first, second, third = table_rows(path)
    assert first == TableRow(f"{path}, line 1", {"id": "a"})
    assert isinstance(second, BrokenRow)
    assert (second.reason, second.where) == ("not JSON", f"{path}, line 2")
    assert expected in second.message
    assert third == TableRow(f"{path}, line 3", {"id": "\U0001f600"})
    assert table_columns(path) == ["id"]


def test_parquet_that_cannot_be_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    pq.write_table(pa.table({"taken": pa.array([2**62], pa.timestamp("us"))}), path)  # beyond all of Python's dates
    with pytest.raises(DataError, match=r"cases\.parquet: damaged, or not readable, after row 0 \("):
        list(table_rows(path))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").mkdir()
    with pytest.raises(DataError, match=r"cases\.csv: is no file; expected a table"):
        table_columns(tmp_path / "cases.csv")


def test_paths_are_told_from_the_folder_of_the_data() -> None:
    row = BrokenRow("image missing", "/home/ann/x/cases.csv, line 2", "/home/ann/x/a.png: is not /home/ann/y/b.png")
    told = row.within(Path("/home/ann/x"))
    assert (told.where, told.message) == ("cases.csv, line 2", "a.png: is not /home/ann/y/b.png")
    assert row.within(None) == row
    assert within(Path(), "images/7.png: no such image") == "images/7.png: no such image"
