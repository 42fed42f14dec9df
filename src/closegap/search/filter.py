"""Conditions on what an index knows of its rows: `age > 60 and sex == "F"`, read once, evaluated by every engine.

A condition holds or does not; there is no third value. A comparison holds only where the row has the value, of the
literal's own type (numbers, texts and truth values are never compared with each other). `not` is carried inwards until
it reaches the comparisons (`not age > 60` becomes `age <= 60`), so that a row without an age satisfies neither of the
two, in Python as in SQL: what is missing is found by `age is None` alone.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, NoReturn, TypeAlias

from closegap.errors import UsageError
from closegap.printable import is_text

Value: TypeAlias = str | int | float | bool
Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
LARGEST_INTEGER = 2**53  # that every engine's numbers hold exactly
_LONGEST = 4000  # characters

_OPERATORS: Mapping[type[ast.cmpop], Operator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_OPPOSITE: Mapping[Operator, Operator] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: Mapping[Operator, Operator] = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Compare:
    """`key operator value`: the row has a value of this type, and it compares so; texts by code points."""

    key: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Among:
    """`key in (values)`, or `key not in (values)`: the row has a value of their type, which is one of them or none."""

    key: str
    values: tuple[Value, ...]
    among: bool = True


@dataclass(frozen=True)
class Holds:
    """`value in key`, or `value not in key`: the row has a list under the key, and the value is or is not in it."""

    key: str
    value: Value
    holds: bool = True


@dataclass(frozen=True)
class Missing:
    """`key is None`, or `key is not None`: the row has nothing under the key or null, or something."""

    key: str
    missing: bool = True


@dataclass(frozen=True)
class All:
    """Every condition holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Either:
    """One condition holds, or more."""

    parts: tuple["Filter", ...]


Filter: TypeAlias = Compare | Among | Holds | Missing | All | Either


def parse_filter(text: str) -> Filter:
    """The condition that a text states, in Python's syntax: comparisons with literals, `in`, `is None`, and, or, not.

    Raises:
        UsageError: anything else, with the column.

    Example:
        >>> parse_filter('18 <= age < 65 and not sex == "F"').parts[1]
        Compare(key='sex', operator='!=', value='F')
        >>> parse_filter("age > limit")
        Traceback (most recent call last):
        closegap.errors.UsageError: filter 'age > limit', column 7: a name on both sides; compare a key with a literal
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the filter has {len(text):,} characters, expected at most {_LONGEST:,}; make it shorter")
    if not is_text(text) or "\n" in text or "\r" in text or "\0" in text:
        raise UsageError(f"filter {text[:80]!r}: holds line breaks or half characters; write it on one line")
    text = text.strip()
    try:
        return _Reader(text).read(ast.parse(text, mode="eval").body, True)
    except SyntaxError as error:
        where = f", column {error.offset}" if error.offset else ""
        raise UsageError(f"filter {text!r}{where}: {error.msg}; write it such as age > 60 and sex == 'F'") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise UsageError(f"filter {text[:80]!r}: too deep or with a number too long; make it simpler") from error


def holds(condition: Filter, values: Mapping[str, Any]) -> bool:
    """Whether the condition holds for one row.

    Args:
        condition: of `parse_filter`.
        values: what is known of the row, JSON values by key.

    Example:
        >>> [holds(parse_filter("not age > 60"), row) for row in ({"age": 40}, {"age": 70}, {"age": "40"}, {})]
        [True, False, False, False]
    """
    match condition:
        case Compare(key, operator, value):
            return _alike(values.get(key), value) and _compares(values[key], operator, value)
        case Among(key, options, among):
            return _alike(values.get(key), options[0]) and (values[key] in options) == among
        case Holds(key, value, held):
            found = values.get(key)
            return isinstance(found, list | tuple) and any(_alike(one, value) and one == value for one in found) == held
        case Missing(key, missing):
            return (values.get(key) is None) == missing
        case All(parts):
            return all(holds(part, values) for part in parts)
        case Either(parts):
            return any(holds(part, values) for part in parts)


def keys_of(condition: Filter) -> set[str]:
    """What the condition asks of a row.

    Example:
        >>> sorted(keys_of(parse_filter("age > 60 and not (sex == 'F' or 'CT' in tags)")))
        ['age', 'sex', 'tags']
    """
    match condition:
        case All(parts) | Either(parts):
            return {key for part in parts for key in keys_of(part)}
        case Compare(key) | Among(key) | Holds(key) | Missing(key):
            return {key}


def kind_of(value: Any) -> Literal["truth", "number", "text"] | None:
    """What values of its type are compared with: others of the same kind; None of lists, objects and null.

    Example:
        >>> kind_of(True), kind_of(1.5), kind_of("a"), kind_of(None)
        ('truth', 'number', 'text', None)
    """
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def _alike(found: Any, value: Value) -> bool:
    return kind_of(found) == kind_of(value)


def _compares(found: Any, operator: Operator, value: Any) -> bool:
    match operator:
        case "==":
            return bool(found == value)
        case "!=":
            return bool(found != value)
        case "<":
            return bool(found < value)
        case "<=":
            return bool(found <= value)
        case ">":
            return bool(found > value)
        case ">=":
            return bool(found >= value)


@dataclass(frozen=True)
class _Reader:
    """From Python's tree to ours; `wanted` is False inside an odd number of `not`."""

    text: str

    def read(self, node: ast.expr, wanted: bool) -> Filter:
        match node:
            case ast.BoolOp(op, values):
                parts = tuple(self.read(value, wanted) for value in values)
                return All(parts) if isinstance(op, ast.And) == wanted else Either(parts)
            case ast.UnaryOp(ast.Not(), operand):
                return self.read(operand, not wanted)
            case ast.Compare(left, operators, comparators):
                sides = [left, *comparators]
                parts = tuple(
                    self.compared(first, operator, second, wanted)
                    for first, operator, second in zip(sides, operators, comparators, strict=False)
                )
                return parts[0] if len(parts) == 1 else All(parts) if wanted else Either(parts)
            case ast.Name(name):
                self.refuse(node, f"a key alone; say what of it, such as {name} == True or {name} is not None")
        self.refuse(node, "no comparison; only comparisons with literals, in, is None, and, or, not are taken")

    def compared(self, first: ast.expr, operator: ast.cmpop, second: ast.expr, wanted: bool) -> Filter:
        match first, operator, second:
            case ast.Name(), (ast.Is() | ast.IsNot()), ast.Constant(None):
                return Missing(first.id, isinstance(operator, ast.Is) == wanted)
            case _, (ast.Is() | ast.IsNot()), _:
                self.refuse(first, "'is' goes with a key and None alone; compare with ==")
            case ast.Name(), (ast.In() | ast.NotIn()), (ast.Tuple() | ast.List() | ast.Set()):
                values = tuple(self.literal(value) for value in second.elts)
                if len({kind_of(value) for value in values}) != 1:
                    self.refuse(second, "expected one literal or more between the brackets, all of one type")
                return Among(first.id, values, isinstance(operator, ast.In) == wanted)
            case _, (ast.In() | ast.NotIn()), ast.Name():
                return Holds(second.id, self.literal(first), isinstance(operator, ast.In) == wanted)
            case _, (ast.In() | ast.NotIn()), _:
                self.refuse(second, "after 'in', expected literals in brackets, such as ('CT', 'MR'), or a key")
            case ast.Name(), _, ast.Name():
                self.refuse(second, "a name on both sides; compare a key with a literal")
            case ast.Name(), _, _:
                return self.ordered(first.id, _OPERATORS[type(operator)], second, wanted)
            case _, _, ast.Name():
                return self.ordered(second.id, _MIRRORED[_OPERATORS[type(operator)]], first, wanted)
        self.refuse(first, "a comparison without a key; compare a key with a literal")

    def ordered(self, key: str, operator: Operator, literal: ast.expr, wanted: bool) -> Compare:
        value = self.literal(literal)
        if isinstance(value, bool) and operator not in ("==", "!="):
            self.refuse(literal, "True and False have no order; compare with == or !=")
        return Compare(key, operator if wanted else _OPPOSITE[operator], value)

    def literal(self, node: ast.expr) -> Value:
        match node:
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)) if not isinstance(number, bool):
                value: Value = -number
            case ast.Constant(str() | int() | float() as constant):
                value = constant
            case ast.Constant(None):
                self.refuse(node, "None is compared with 'is None' or 'is not None'")
            case ast.Name():
                self.refuse(node, "a key where a literal is expected; write texts in quotes")
            case _:
                self.refuse(node, "no literal; expected a number, a text in quotes, True or False")
        if not is_exact(value):
            self.refuse(node, "the number or text is out of range; whole numbers go to 2**53, texts hold no NUL")
        return value

    def refuse(self, node: ast.expr, problem: str) -> NoReturn:
        column = len(self.text.encode()[: node.col_offset].decode()) + 1
        raise UsageError(f"filter {self.text!r}, column {column}: {problem}")


def is_exact(value: Value) -> bool:
    r"""Whether every engine holds the value as it is: no infinity, no whole number above 2**53, no NUL in a text.

    Example:
        >>> is_exact(2**53), is_exact(2**53 + 1), is_exact("a\0")
        (True, False, False)
    """
    if isinstance(value, str):
        return is_text(value) and "\0" not in value
    return isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST_INTEGER
