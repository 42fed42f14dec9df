"""Cells that a spreadsheet would run."""

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from closegap.formulas import harmless, write_csv

CELLS = st.text(alphabet="'=+-@\t\r\nab, \"", max_size=6)


@given(CELLS)
def test_no_cell_begins_as_a_formula(cell: str) -> None:
    assert harmless(cell)[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert harmless(cell).removeprefix("'") == cell or harmless(cell) == cell


@given(CELLS, CELLS)
def test_no_two_cells_become_the_same(one: str, other: str) -> None:
    assert (harmless(one) == harmless(other)) == (one == other)


def test_a_table_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    rows = [["id", "caption"], ["=HYPERLINK(1)", 'plain, with "quotes"'], ["a", "-1 mm\nbelow"]]
    write_csv(tmp_path / "t.csv", rows)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [rows[0], ["'=HYPERLINK(1)", rows[1][1]], ["a", "'-1 mm\nbelow"]]
