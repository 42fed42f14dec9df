"""A table of texts and nothing else, such as queries."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.cells import is_blank
from closegap.data.source import Source
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError
from closegap.kinds.base import Kind
from closegap.kinds.text import TextKind

_ID = "id"


class TextTable(Source):
    """The texts of a column (CSV, TSV, JSONL, Parquet), a case each, named by the column `id` or else by its number.

    Args:
        path: the table.
        modality: name of the texts' modality.
        split: split of all cases.
        column: of the texts; by default the one beside `id`, `text`, or one named as the modality.
    """

    def __init__(self, path: Path, modality: str = "text", split: str = "test", column: str | None = None) -> None:
        self._path, self._modality, self._split, self._column = Path(path), modality, split, column

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Texts."""
        return {self._modality: TextKind()}

    def rows(self) -> Iterator[Row]:
        """The texts in their order.

        Raises:
            DataError: no such table, or no telling which column has the texts.
        """
        column = self._found()
        for number, row in enumerate(table_rows(self._path), start=1):
            yield row if isinstance(row, BrokenRow) else self._case(row, column, number)

    def _case(self, row: TableRow, column: str, number: int) -> Case | BrokenRow:
        cell, key = row.cells.get(column), row.cells.get(_ID)
        if is_blank(cell):
            return BrokenRow("no text", row.where, f"column '{column}' is blank; write a text, or leave the row out")
        name = str(number) if is_blank(key) else str(key)
        views = {self._modality: (TextKind().read(cell, self._path.parent),)}
        return Case(name, self._split, name, views, where=row.where)

    def _found(self) -> str:
        columns = table_columns(self._path)
        others = [name for name in columns if name != _ID]
        wanted = [self._column] if self._column is not None else [self._modality, "text"]
        named = [name for name in wanted if name in others]
        if named or (self._column is None and len(others) == 1):
            return (named or others)[0]
        raise DataError(
            f"{self._path}: expected the texts in a column '{wanted[0]}', found {', '.join(map(repr, columns))}; "
            "name one of them so"
        )
