"""Separated values as the csv module reads them, with nothing lost and every broken row named."""

import csv
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closegap import separated
from closegap.errors import DataError
from closegap.separated import SeparatedRow, separated_header, separated_rows

HOSTILE = st.sampled_from([*list('a,"\n\r\t \x00é\u2028\ufeff'), '""', "\r\n", "\n\n", ",,", '","', "\\", "'"])


def rows(path: Path, content: str | bytes, delimiter: str = ",") -> list[SeparatedRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(separated_rows(path, delimiter))


def by_the_csv_module(content: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of every row but the header; no cells of a blank line."""
    with TextIOWrapper(BytesIO(content), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        next(reader, None)
        line = reader.line_num + 1
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1


@pytest.mark.parametrize("delimiter", [",", "\t"])
@settings(max_examples=300, deadline=None)
@given(header=st.sampled_from(["a", "a,b", "a,b,c", '"a\nb",c', "\ufeffa,b"]), body=st.lists(HOSTILE, max_size=30))
def test_rows_lines_and_cells_are_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, delimiter: str, header: str, body: list[str]
) -> None:
    content = f"{header}\n{''.join(body)}".replace(",", delimiter).encode()
    found = rows(tmp_path_factory.getbasetemp() / "table", content, delimiter)
    expected = list(by_the_csv_module(content, delimiter))
    assert [row.line for row in found] == [line for line, _ in expected]
    width = len(separated_header(tmp_path_factory.getbasetemp() / "table", delimiter))
    for row, (_, cells) in zip(found, expected, strict=True):
        if row.reason == "quote not closed":
            assert row is found[-1]
        elif row.reason:
            assert row.reason == "wrong number of fields"
            assert row.message.startswith(f"{len(cells)} fields, expected {width} as in the header; quote what holds")
        else:
            assert list(row.cells) == cells


@settings(max_examples=100, deadline=None)
@given(
    table=st.lists(st.lists(st.lists(HOSTILE, max_size=8).map("".join), min_size=3, max_size=3), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_well_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([["a", "b", "c"], *table])
    assert [list(row.cells) for row in separated_rows(path)] == table


def test_broken_rows_are_named_where_they_are(tmp_path: Path) -> None:
    content = b'a,b\n1,2,3\n\n"x\r\ny",\xe9\n\xff,\xff,\xff\n,\n5,"6\n7'
    found = rows(tmp_path / "t.csv", content)
    assert [(row.line, row.reason, row.cells) for row in found] == [
        (2, "wrong number of fields", ()),
        (3, "", ()),
        (4, "not UTF-8", ()),
        (6, "wrong number of fields", ()),
        (7, "", ("", "")),
        (8, "quote not closed", ()),
    ]
    assert found[2].message == "a byte that is not UTF-8; save the file as UTF-8"
    assert found[-1].message.startswith("a quote that is never closed; close it")


def test_one_bad_byte_costs_its_own_row_alone(tmp_path: Path) -> None:
    found = rows(tmp_path / "t.csv", "a,b\n1,naïve\n2,\u20ac\n".encode() + b"3,caf\xe9\n4,ok\n")
    assert [row.cells for row in found] == [("1", "naïve"), ("2", "\u20ac"), (), ("4", "ok")]


@pytest.mark.parametrize("content", ['a,b\n1,"2\n3\n"\n', 'a,b\n1,"2"', 'a,b\n1,2"', 'a,b\n1,"x ""y"""\n\n'])
def test_quotes_that_are_closed_or_letters(tmp_path: Path, content: str) -> None:
    assert not any(row.reason for row in rows(tmp_path / "t.csv", content))


def test_blank_lines_are_told_from_blank_cells(tmp_path: Path) -> None:
    assert [row.cells for row in rows(tmp_path / "t.csv", 'a\n\n""\nx\n\n')] == [(), ("",), ("x",), ()]


def test_cells_of_megabytes(tmp_path: Path) -> None:
    long = "word, " * 2**20
    (row,) = rows(tmp_path / "t.csv", f'a,b\n1,"{long}"\n')
    assert row.cells == ("1", long)


def test_rows_across_blocks_of_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separated, "_LONGEST_ROW", 64)
    content = "a,b\n" + "".join(f'{n},"x\n{n}"\n{n}\n\n' for n in range(50))
    found = rows(tmp_path / "t.csv", content)
    assert [(row.line, row.cells) for row in found if row.cells] == [
        (2 + 4 * n, (str(n), f"x\n{n}")) for n in range(50)
    ]
    assert [row.line for row in found if row.reason] == [4 + 4 * n for n in range(50)]
    with pytest.raises(DataError, match=r"t\.csv, after line \d+: no row of separated values of at most 0 MiB; is a"):
        rows(tmp_path / "t.csv", "a,b\n1,2\n" * 20 + f"{'x' * 300},1\n")


@pytest.mark.parametrize(("content", "header"), [("", []), ("\n", []), ("a,b", ["a", "b"]), ('"a\nb"\n', ["a\nb"])])
def test_headers_without_rows(tmp_path: Path, content: str, header: list[str]) -> None:
    assert rows(tmp_path / "t.csv", content) == []
    assert separated_header(tmp_path / "t.csv") == header
