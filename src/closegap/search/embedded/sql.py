"""A condition as SQL that SQLite evaluates over the rows of an index, values bound and never written into it."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from closegap.errors import UsageError
from closegap.search.checks import OWN_KEYS
from closegap.search.filter import All, Among, Compare, Either, Filter, Holds, Missing, Value, kind_of

_TYPES = {"number": ("integer", "real"), "text": ("text",), "truth": ("true", "false")}  # of SQLite's JSON
_COLUMNS = {"id": "id", "case": "case_id", "group": "group_id"}


def where(condition: Filter) -> tuple[str, list[Any]]:
    """The expression and its parameters, over the columns `id`, `case_id`, `group_id` and `payload`."""
    match condition:
        case All(parts) | Either(parts):
            found = [where(part) for part in parts]
            joined = (" AND " if isinstance(condition, All) else " OR ").join(text for text, _ in found)
            return f"({joined})", [value for _, values in found for value in values]
        case Compare(key, operator, value):
            return _typed(key, value, f"{operator} ?", [value])
        case Among(key, values, among):
            marks = ", ".join("?" * len(values))
            return _typed(key, values[0], f"{'IN' if among else 'NOT IN'} ({marks})", list(values))
        case Missing(key, missing) if key in OWN_KEYS:
            return ("0" if missing else "1"), []
        case Missing(key, missing):
            return f"(coalesce(json_type(payload, ?), 'null') {'=' if missing else '!='} 'null')", [_path(key)]
        case Holds(key, value, held) if key not in OWN_KEYS:
            kinds = ", ".join(f"'{kind}'" for kind in _TYPES[kind_of(value) or "text"])
            found_value = _value(kind_of(value), "json_each.type", "json_each.fullkey")
            element = f"json_each.type IN ({kinds}) AND {found_value} = ?"
            some = f"EXISTS (SELECT 1 FROM json_each(payload, ?) WHERE {element})"
            path = _path(key)
            return f"(json_type(payload, ?) IS 'array' AND {'' if held else 'NOT '}{some})", [path, path, value]
        case _:
            return "0", []  # a row's own texts are no lists


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the function that conditions call."""
    connection.create_function("exact_number", 1, _exact_number, deterministic=True)


def _typed(key: str, literal: Value, comparison: str, values: Sequence[Value]) -> tuple[str, list[Any]]:
    kind = kind_of(literal)
    if key in _COLUMNS:
        return (f"({_COLUMNS[key]} {comparison})", list(values)) if kind == "text" else ("0", [])
    path = _path(key)
    kinds = ", ".join(f"'{one}'" for one in _TYPES[kind or "text"])
    value = _value(kind, "json_type(payload, ?)", "?")
    compared = f"(CASE WHEN json_type(payload, ?) IN ({kinds}) THEN {value} {comparison} ELSE 0 END)"
    return compared, [path, *[path] * value.count("?"), *values]


def _value(kind: str | None, json_type: str, path: str) -> str:
    """What the payload has at a path; of two equal paths SQLite gives the text, digits and all."""
    plain = f"json_extract(payload, {path})"
    if kind != "number":
        return plain
    real = f"exact_number(json_extract(payload, {path}, {path}))"
    return f"CASE {json_type} WHEN 'real' THEN {real} ELSE {plain} END"


def _path(key: str) -> str:
    if '"' in key or "\0" in key:
        raise UsageError(f"filter: no payload has the key {key[:80]!r}; name another")
    return f'$."{key}"'


def _exact_number(pair: str) -> float:
    """The number that JSON's digits stand for, to the last bit, to which SQLite does not always come."""
    return float(json.loads(pair)[0])
