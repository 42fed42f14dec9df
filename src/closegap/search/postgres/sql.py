"""A condition as SQL that PostgreSQL evaluates over the rows of an index, values bound and never written into it."""

import json
from collections.abc import Sequence
from typing import Any

from closegap.search.checks import OWN_KEYS
from closegap.search.filter import All, Among, Compare, Either, Filter, Holds, Missing, Value, kind_of

_COLUMNS = {"id": "id", "case": "case_id", "group": "group_id"}
_JSON_TYPES = {"number": "number", "text": "string", "truth": "boolean"}
_OPERATORS = {"==": "=", "!=": "<>"}  # that SQL writes otherwise
_TYPES = {"number": "float8", "text": "text", "truth": "bool"}
_VALUES = {
    "number": "(payload -> %s::text)::float8",
    "text": '(payload ->> %s::text) COLLATE "C"',
    "truth": "(payload -> %s::text)::bool",
}


def where(condition: Filter | None) -> tuple[str, list[Any]]:
    """The expression and its parameters, over the columns `id`, `case_id`, `group_id` and `payload`; never null."""
    match condition:
        case None:
            return "true", []
        case All(parts) | Either(parts):
            found = [where(part) for part in parts]
            joined = (" AND " if isinstance(condition, All) else " OR ").join(text for text, _ in found)
            return f"({joined})", [value for _, values in found for value in values]
        case Compare(key, operator, value):
            kind = kind_of(value) or "text"
            return _typed(key, kind, f"{_OPERATORS.get(operator, operator)} %s::{_TYPES[kind]}", value)
        case Among(key, values, among):
            kind = kind_of(values[0]) or "text"
            compared = f"{'= ANY' if among else '<> ALL'} (%s::{_TYPES[kind]}[])"
            return _typed(key, kind, compared, [_bound(kind, value) for value in values])
        case Missing(key, missing) if key in OWN_KEYS:
            return ("false" if missing else "true"), []
        case Missing(key, missing):
            test = "=" if missing else "<>"
            return f"(coalesce(jsonb_typeof(payload -> %s::text), 'null') {test} 'null')", [key]
        case Holds(key, value, held) if key not in OWN_KEYS:
            some = f"{'' if held else 'NOT '}payload -> %s::text @> %s::jsonb"
            text = f"(CASE WHEN jsonb_typeof(payload -> %s::text) = 'array' THEN {some} ELSE false END)"
            return text, [key, key, json.dumps([value])]
        case _:
            return "false", []  # a row's own texts are no lists


def _typed(key: str, kind: str, comparison: str, value: Value | Sequence[Value]) -> tuple[str, list[Any]]:
    bound = value if isinstance(value, list) else _bound(kind, value)
    if key in _COLUMNS:
        return (f"({_COLUMNS[key]} {comparison})", [bound]) if kind == "text" else ("false", [])
    of_kind = f"jsonb_typeof(payload -> %s::text) = '{_JSON_TYPES[kind]}'"
    return f"(CASE WHEN {of_kind} THEN {_VALUES[kind]} {comparison} ELSE false END)", [key, key, bound]


def _bound(kind: str, value: Any) -> Any:
    return float(value) if kind == "number" else value
