"""Conditions on rows: what they mean, and what is refused."""

from typing import Any

import pytest

from closegap.errors import UsageError
from closegap.search.filter import All, Among, Compare, Either, Holds, Missing, holds, parse_filter

ROW: dict[str, Any] = {
    "age": 61,
    "weight": 70.5,
    "sex": "F",
    "smoker": True,
    "nothing": None,
    "concepts": ["C1", 2, True],
    "who": {"a": 1},
}


@pytest.mark.parametrize(
    "text",
    [
        "age > 60",
        "age == 61.0",
        "60 < age <= 61",
        'age >= 61 and sex == "F"',
        "sex in ('F', 'M')",
        "sex not in ['M']",
        "smoker == True",
        "smoker != False",
        "missing is None and nothing is None and age is not None",
        "'C1' in concepts and 2 in concepts and True in concepts",
        "'C2' not in concepts",
        "not (age < 61 or sex == 'M')",
        "not not age == 61",
        "weight > -1e3",
        "sex > 'E'",
        "age == 1 or age == 61",
    ],
)
def test_holds(text: str) -> None:
    assert holds(parse_filter(text), ROW)


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        ("missing > 1", "not missing > 1"),
        ("nothing == 1", "nothing != 1"),
        ("age == '61'", "age != '61'"),
        ("sex == 1", "not sex == 1"),
        ("smoker == 1", "smoker != 1"),
        ("age == True", "not age == True"),
        ("age in ('61', 'x')", "age not in ('61', 'x')"),
        ("1 in who", "1 not in who"),
        ("'F' in sex", "'F' not in sex"),
        ("who == 1", "not who == 1"),
    ],
)
def test_what_is_missing_or_of_another_type_satisfies_neither_a_comparison_nor_its_opposite(
    text: str, opposite: str
) -> None:
    assert not holds(parse_filter(text), ROW)
    assert not holds(parse_filter(opposite), ROW)


def test_numbers_texts_and_truth_values_in_a_list_are_told_apart() -> None:
    assert not holds(parse_filter("1 in concepts"), ROW)
    assert not holds(parse_filter("'2' in concepts"), ROW)


def test_not_is_carried_to_the_comparisons() -> None:
    found = parse_filter("not (a > 1 and (b in (1, 2) or c is None) or 'x' in d)")
    inner = Either((Compare("a", "<=", 1), All((Among("b", (1, 2), False), Missing("c", False)))))
    assert found == All((inner, Holds("d", "x", False)))
    assert parse_filter("not 1 < a < 3") == Either((Compare("a", "<=", 1), Compare("a", ">=", 3)))


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("age > limit", 7, "a name on both sides"),
        ("1 < 2", 1, "a comparison without a key"),
        ("age", 1, "a key alone"),
        ("age > 60 and f(1)", 14, "no comparison"),
        ("sex == f'{x}'", 8, "no literal"),
        ("'éé' in age or age > b'x'", 22, "no literal"),
        ("age == None", 8, "None is compared with"),
        ("age is 1", 1, "'is' goes with a key"),
        ("age in ()", 8, "expected one literal or more"),
        ("age in (1, 'a')", 8, "all of one type"),
        ("age in 'abc'", 8, "after 'in'"),
        ("smoker > True", 10, "have no order"),
        ("age > 9007199254740993", 7, "out of range"),
        ("age > 1e999", 7, "out of range"),
        ("age > 1 + 1", 7, "no literal"),
        ("(lambda: 1)() == 1", 1, "a comparison without a key"),
        ("__import__('os').system('x')", 1, "no comparison"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_column(text: str, column: int, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_filter(text)
    assert f", column {column}: " in str(refused.value)
    assert problem in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age >",
        "age = 1",
        "a\n> 1",
        "(" * 300,
        "-" * 3990 + "1",
        "not " * 990 + "a",
        "x" * 5000,
        "a == '\ud800'",
        "a == '\0'",
        "a > " + "1" * 3990,
        "a == 1; b == 2",
        "a := 1",
    ],
)
def test_hostile_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_filter(text)
    assert len(str(refused.value).splitlines()) == 1
