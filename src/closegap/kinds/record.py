"""Structured records."""

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from closegap.kinds.structured import StructuredKind


class RecordKind(StructuredKind):
    """Records: each a mapping from column to a number, a string, or None where the value is not known."""

    noun: ClassVar[str] = "record"
    of_row: ClassVar[bool] = True

    def problem(self, item: Any) -> str | None:
        """Something else than a mapping, one without columns, a value of another type, or an infinite one."""
        if not isinstance(item, Mapping):
            return f"expected a record, such as {{'age': 64, 'sex': 'F'}}, found a {type(item).__name__}"
        for column, value in item.items():
            if not isinstance(value, int | float | str | None):
                return f"column '{column}': expected a number, a text or None, found a {type(value).__name__}"
            if isinstance(value, float) and math.isinf(value):
                return f"column '{column}': expected a finite number, found {value}"
        return None if item else "expected a record, found one without columns"

    def fingerprint(self, item: Any) -> bytes:
        """The values as JSON, in the order of the columns' names."""
        return json.dumps(sorted(item.items())).encode()

    def pack(self, item: Any) -> bytes:
        """JSON."""
        return json.dumps(dict(item), ensure_ascii=False).encode()

    def unpack(self, data: bytes) -> dict[str, Any]:
        """The record."""
        return dict(json.loads(data))

    def text(self, item: Any) -> str:
        """What is known, in a line."""
        return ", ".join(f"{name} {_value(value)}" for name, value in item.items() if value is not None)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
