"""What a PACS says of a study, a series or an instance, as far as it is what it should be."""

import re
from collections.abc import Mapping
from typing import Any

from closegap.errors import needs

with needs("dicom"):
    from pydicom.datadict import tag_for_keyword

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_LONGEST = 64


def value(record: Mapping[str, Any], keyword: str) -> str:
    """The first value of an attribute in DICOM JSON as a text; "" where there is none, or something else.

    Example:
        >>> value({"00080060": {"vr": "CS", "Value": ["CR"]}}, "Modality"), value({"00080060": 7}, "Modality")
        ('CR', '')
    """
    element = record.get(f"{tag_for_keyword(keyword):08X}")
    values = element.get("Value") if isinstance(element, Mapping) else None
    first = values[0] if isinstance(values, list) and values else None
    return str(first).strip() if isinstance(first, str | int | float) else ""


def uid(record: Mapping[str, Any], keyword: str) -> str | None:
    """The UID under a keyword; None where it is none, so that it never becomes part of a path.

    Example:
        >>> uid({"0020000D": {"vr": "UI", "Value": ["../../1.2"]}}, "StudyInstanceUID") is None
        True
    """
    found = value(record, keyword)
    return found if len(found) <= _LONGEST and _UID.fullmatch(found) else None


def number(record: Mapping[str, Any], keyword: str) -> int:
    """A whole number, 0 where there is none."""
    found = value(record, keyword)
    return int(found) if re.fullmatch(r"[+-]?[0-9]{1,9}", found) else 0
