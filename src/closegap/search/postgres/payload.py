"""JSON as PostgreSQL keeps it in jsonb, whose numbers are decimal: 1e22 comes back with all its digits."""

import json
from typing import Any

from closegap.search.filter import LARGEST_INTEGER


def loads(text: str | bytes) -> Any:
    """What was given, floats that have become whole numbers as floats again.

    Example:
        >>> loads('[9007199254740992, 10000000000000000000000, 1.0]')
        [9007199254740992, 1e+22, 1.0]
    """
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= 17 and abs(int(digits)) <= LARGEST_INTEGER else float(digits)
