"""Lists and mappings that were written into a cell as Python writes them."""

import ast
from typing import Any, TypeVar

from closegap.data.readers.cells import CellError

T = TypeVar("T", list[Any], dict[Any, Any])
_LONGEST = 100_000  # characters


def literal(column: str, cell: str, expected: type[T]) -> T:
    """What the cell holds; nothing where it is blank or nan. Nothing in it is run.

    Args:
        column: for messages.
        cell: such as "['normal', 'suture material']" or "{'NORM': 100.0}".
        expected: list or dict.

    Raises:
        CellError: something else.
    """
    if cell.strip() in {"", "nan"}:
        return expected()
    try:
        found = ast.literal_eval(cell) if len(cell) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        found = None
    if not isinstance(found, expected):
        raise CellError(f"not a {expected.__name__}", column, f"a {expected.__name__}", cell, "fetch the table again")
    return found
