"""Each message of jsonargparse that is read: raised by the installed version, on the shortest parser that raises it."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentError, ArgumentParser
from packaging.requirements import Requirement

from closegap.bounds import PositiveInt
from closegap.runs import messages
from closegap.runs.imports import only_named_imports
from closegap.runs.messages import parse_message


class Animal:
    """Is loaded by class path."""

    def __init__(self, legs: int = 4) -> None:
        self.legs = legs


@dataclass(frozen=True)
class Numbers:
    """A section of plain keys."""

    count: int = 1
    rate: float | None = None
    mode: Literal["best", "last"] = "best"
    steps: PositiveInt | None = None
    path: Path | None = None
    storage: Literal["whole", "parts"] | None = None


def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--animal", type=Animal)
    parser.add_argument("--builder", type=Callable[[int], Animal])
    parser.add_argument("--numbers", type=Numbers, default=Numbers())
    parser.add_argument("--needed", type=int, required=True)
    return parser


ANIMAL = f"{__name__}.Animal"
NUMBERS = f"{__name__}.Numbers"

# What is given as a config, or on the command line; the message; the function of `messages` that has written it.
CASES: list[tuple[dict[str, Any] | list[str], str, str]] = [
    ({"numbers": {"cuont": 3}}, "numbers.cuont: no such key; did you mean numbers.count?", "_unknown_key"),
    ({"nonsense": 1}, "nonsense: no such key; there are animal, builder, numbers, needed", "_unknown_top"),
    (["--numbers.cuont", "3"], "--numbers.cuont: no such option; did you mean --numbers.count?", "_unknown_option"),
    (
        {"animal": {"class_path": ANIMAL, "init_args": {"lges": 3}}},
        f"animal: {ANIMAL} takes no 'lges'; it takes legs",
        "_unknown_argument",
    ),
    (
        {"builder": {"class_path": ANIMAL, "init_args": {"lges": 3}}},
        f"builder: {ANIMAL} takes no 'lges'; it takes legs",
        "_unknown_argument_of",
    ),
    (
        {"animal": {"class_path": "nopackage.Cat"}},
        "animal: class_path 'nopackage.Cat' cannot be imported (No module named 'nopackage'); "
        "expected package.module.Class",
        "_no_class",
    ),
    (
        {"animal": {"class_path": f"{__name__}.Cat"}},
        f"animal: class_path '{__name__}.Cat' cannot be imported (module '{__name__}' has no attribute 'Cat'); "
        "expected package.module.Class",
        "_no_class",
    ),
    (
        {"animal": {"class_path": NUMBERS}},
        f"animal: class_path {NUMBERS!r} is no Animal; expected the import path of one",
        "_wrong_class",
    ),
    (
        {"builder": {"class_path": NUMBERS}},
        f"builder: class_path {NUMBERS!r} is no Animal; expected the import path of one",
        "_wrong_class",
    ),
    ({"numbers": {"count": "many"}}, "numbers.count: 'many' given, expected a whole number", "_wrong_type"),
    ({"numbers": {"mode": "worst"}}, "numbers.mode: 'worst' given, expected 'best' or 'last'", "_wrong_type"),
    ({"numbers": {"rate": "fast"}}, "numbers.rate: 'fast' given, expected a number or null", "_wrong_union"),
    (
        {"numbers": {"storage": "half"}},
        "numbers.storage: 'half' given, expected 'whole' or 'parts' or null",
        "_wrong_union",
    ),
    ({"numbers": {"steps": "many"}}, "numbers.steps: 'many' given, expected a whole number or null", "_wrong_union"),
    (["--numbers.count", "null"], "numbers.count: null given, expected a whole number", "_wrong_type"),
    ({"animal": 5}, "animal: '5' given, expected class_path, the import path of a Animal", "_no_subclass"),
    (["--animal", "x"], "animal: 'x' given, expected the import path of a class, package.module.Class", "_no_path"),
    (["--numbers", "5"], "numbers: '5' given, expected keys and values", "_no_section"),
    ([], "not given: needed; name a config that has them with --config FILE", "_required"),
]


def message_of(given: dict[str, Any] | list[str]) -> str:
    parser = _parser()
    parse: Callable[[Any], Any] = parser.parse_object if isinstance(given, dict) else parser.parse_args
    with pytest.raises((ArgumentError, TypeError, ValueError)) as raised:
        parse({"needed": 1, **given} if isinstance(given, dict) else given)
    return parse_message(raised.value, list(parser.get_defaults().keys()))


@pytest.mark.parametrize(("given", "expected", "by"), CASES, ids=[f"{by}-{n}" for n, (_, _, by) in enumerate(CASES)])
def test_a_message_is_read(given: dict[str, Any] | list[str], expected: str, by: str) -> None:
    assert message_of(given) == expected


def test_every_pattern_has_its_message() -> None:
    says = {say.__name__ for _, say in messages._PATTERNS}
    assert says - {by for _, _, by in CASES} == {"_no_class_for", "_not_imported"}  # the next tests'


def test_a_builder_that_cannot_be_imported() -> None:
    message = message_of({"builder": {"class_path": "nopackage.Cat"}})
    assert message.startswith("builder: class_path 'nopackage.Cat' cannot be imported (")
    assert "No module named 'nopackage'" in message


@pytest.mark.parametrize("key", ["animal", "builder"])
def test_a_class_that_may_not_be_imported(key: str) -> None:
    with only_named_imports([]):
        message = message_of({key: {"class_path": "nopackage.Cat"}})
    assert message == (
        f"{key}: nopackage.Cat is not imported, since no class_path of the config names it; "
        "write class_path: nopackage.Cat"
    )


def test_the_installed_version_is_one_whose_messages_were_read() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = next(Requirement(line) for line in project["dependencies"] if line.startswith("jsonargparse"))
    assert "<" in {one.operator for one in declared.specifier}  # its messages may change in any minor version
    assert declared.specifier.contains(version("jsonargparse"))
