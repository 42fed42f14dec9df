"""The table that lies beside the arrays of an embedding set: ids, groups, labels and concepts of its rows."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.errors import DataError

_LABEL = "label:"


def table_content(
    ids: Sequence[str],
    groups: Sequence[str] | None,
    labels: Mapping[str, Sequence[str]],
    concepts: Sequence[tuple[str, ...]] | None,
) -> bytes:
    """The bytes of a Parquet file of these columns, which are those of an `EmbeddingSet`."""
    columns: dict[str, Any] = {"id": list(ids)}
    if groups is not None:
        columns["group"] = list(groups)
    columns |= {_LABEL + name: list(values) for name, values in labels.items()}
    if concepts is not None:
        columns["concepts"] = [list(row) for row in concepts]
    types = {name: pa.list_(pa.string()) if name == "concepts" else pa.string() for name in columns}
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values, types[name]) for name, values in columns.items()}), sink)
    return sink.getvalue()


def read_columns(file: Path, again: str) -> dict[str, Any]:
    """The columns as `EmbeddingSet` takes them.

    Args:
        file: the table.
        again: what to do about a damaged one.

    Raises:
        DataError: a damaged table, or one of other columns.
    """
    try:
        table = pq.read_table(file)
        names = table.column_names
        held = {} if len(set(names)) < len(names) else {name: table.column(name).to_pylist() for name in names}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{file}: damaged ({' '.join(str(error).split())}); {again}") from error
    if "id" not in held:
        raise DataError(f"{file}: no column 'id', or two of one name; {again}")
    for name in ("id", "group", *(name for name in names if name.startswith(_LABEL))):
        _expect_all(file, held.get(name, ()), name, "a text", lambda cell: isinstance(cell, str))
    _expect_all(file, held.get("concepts", ()), "concepts", "a list of texts", _is_list_of_texts)
    return {
        "ids": held["id"],
        "groups": held.get("group"),
        "labels": {name.removeprefix(_LABEL): held[name] for name in names if name.startswith(_LABEL)},
        "concepts": [tuple(row) for row in held["concepts"]] if "concepts" in held else None,
    }


def _is_list_of_texts(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(item, str) for item in cell)


def _expect_all(file: Path, cells: Sequence[Any], name: str, what: str, fits: Any) -> None:
    for row, cell in enumerate(cells):
        if not fits(cell):
            raise DataError(
                f"{file}: row {row} of column '{name}' is {type(cell).__name__}, expected {what} (rows count from 0)"
            )
