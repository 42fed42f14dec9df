"""Sets of codes: concepts, tags, diagnoses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from closegap.kinds.structured import StructuredKind


@dataclass(frozen=True)
class CodesKind(StructuredKind):
    """Sets of codes: each a tuple of strings, such as the UMLS concepts of a figure.

    Args:
        separator: between the codes in a cell of a table.
    """

    noun: ClassVar[str] = "code set"

    separator: str = ";"

    def parse(self, given: Any) -> tuple[str, ...]:
        """The codes, in their order; a string holds them one after the other."""
        codes = [code.strip() for code in given.split(self.separator)] if isinstance(given, str) else given
        return tuple(dict.fromkeys(code for code in codes if code))

    def read(self, cell: Any, folder: Path) -> tuple[str, ...]:
        """The codes in the cell."""
        del folder
        return self.parse(cell)

    def views(self, items: Sequence[Any]) -> tuple[Any, ...]:
        """One set with the codes of all cells."""
        united = tuple(dict.fromkeys(code for item in items for code in item))
        return (united,) if united else ()

    def concepts(self, item: Any) -> tuple[str, ...]:
        """The codes."""
        return tuple(item)

    def problem(self, item: Any) -> str | None:
        """Something else than strings in an order, or none of them."""
        if isinstance(item, str) or not isinstance(item, Sequence):
            return f"expected codes, such as ('C0032285', 'C0817096'), found a {type(item).__name__}"
        odd = [type(code).__name__ for code in item if not isinstance(code, str)]
        if odd:
            return f"expected codes that are strings, found a {odd[0]}"
        return None if item else "expected codes, found none"

    def fingerprint(self, item: Any) -> bytes:
        """The codes as JSON."""
        return json.dumps(item).encode()

    def pack(self, item: Any) -> bytes:
        """JSON."""
        return json.dumps(list(item), ensure_ascii=False).encode()

    def unpack(self, data: bytes) -> tuple[str, ...]:
        """The codes."""
        return tuple(json.loads(data))

    def text(self, item: Any) -> str:
        """The codes in a line."""
        return ", ".join(item)
