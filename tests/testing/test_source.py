"""`check_source` passes for sound sources, and says what is wrong with one that breaks a rule."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from closegap.data import BrokenRow, Case, Row, Source
from closegap.kinds import ImageKind, Kind, TextKind
from closegap.testing import check_source

BROKEN = BrokenRow("empty report", "reports.csv, line 4", "has no text; remove it")


class Reports(Source):
    """Reports of which one row is broken, changed by `fault`."""

    def __init__(self, fault: Callable[[Case], Any] = lambda case: case, broken: Row | None = BROKEN) -> None:
        self.fault, self.broken = fault, broken

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {"report": TextKind()}

    def rows(self) -> Iterator[Any]:
        for number in range(4):
            split = "train" if number < 3 else "test"
            case = Case(f"c{number}", split, f"p{number // 2}", {"report": (f"report {number}",)}, {"organ": "lung"})
            yield self.fault(case) if number == 1 else case
        yield self.broken


class Misnamed(Reports):
    @property
    def modalities(self) -> tuple[str, ...]:
        return ("caption",)


class Classes(Reports):
    @property
    def kinds(self) -> Any:
        return {"report": TextKind}


class Kindless(Reports):
    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {}


class Once(Reports):
    """An iterator that is read once."""

    def __init__(self) -> None:
        super().__init__()
        self.left = iter(list(super().rows()))

    def rows(self) -> Iterator[Any]:
        return self.left


class Turning(Reports):
    """Another order each time."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = count()

    def rows(self) -> Iterator[Any]:
        found = list(super().rows())[:4]
        return iter(found[::-1] if next(self.readings) else found)


class Nothing(Reports):
    def rows(self) -> Iterator[Any]:
        yield BROKEN


class Homebound(str):
    """A text that does not travel."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a handle")


def changed(**parts: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, **parts)


def with_views(**views: Any) -> Callable[[Case], Case]:
    return changed(views=views)


def test_a_sound_source_passes() -> None:
    check_source(Reports())
    check_source(Reports(with_views()))  # a case may lack a modality


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (Kindless(), "Kindless: names no modality"),
        (Classes(), r"Classes: the kind of 'report' is <class .*TextKind'>, expected one such as TextKind\(\)"),
        (Misnamed(), r"Misnamed: modalities \('caption',\), but kinds of \('report',\)"),
        (Nothing(), "Nothing: has no case"),
        (Once(), "Once, row 0: read a second time, the rows come in another order"),
        (Turning(), "Turning, row 0: read a second time, the rows come in another order"),
        (Reports(lambda case: case.id), "Reports, row 1: a str, expected a Case or a BrokenRow"),
        (Reports(changed(id="c0")), "row 1: the id 'c0' comes again; yield a BrokenRow"),
        (Reports(changed(id=1)), "row 1: the id of a case is 1, expected a text"),
        (Reports(changed(split="dev")), "row 1: the split 'dev', expected one of train, validation"),
        (Reports(changed(group="")), "row 1: the group of a case is '', expected a text"),
        (
            Reports(changed(labels={"age": 3})),
            "row 1: the labels {'age': 3}, expected texts by name",
        ),
        (Reports(changed(concepts="C1")), "row 1: the concepts 'C1', expected a tuple of str"),
        (Reports(with_views(image=(Path("a"),))), "case 'c1': views of 'image', which is not among report"),
        (Reports(with_views(report="text")), "case 'c1': views of 'report' in a str, expected a tuple"),
        (Reports(with_views(report=())), "case 'c1': no view of 'report'; leave the modality out"),
        (Reports(with_views(report=(" ",))), "'report' has a problem: expected a text, .*; yield a BrokenRow instead"),
        (Reports(with_views(report=(Homebound("a"),))), "row 1: the case does not travel to worker processes"),
        (
            Reports(broken=replace(BROKEN, message="a\nb")),
            r"row 4: the message of a BrokenRow is 'a\\nb', expected a line",
        ),
        (Reports(broken=replace(BROKEN, reason="")), "row 4: the reason of a BrokenRow is '', expected a line"),
    ],
)
def test_what_a_source_does_wrong_is_said(source: Source, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_source(source)


class Growing(Reports):
    """Other content in each reading."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = count()

    def rows(self) -> Iterator[Any]:
        reading = next(self.readings)
        yield Case("a", "train", "a", {"report": (f"reading {reading}",)})


def test_other_content_in_each_reading_is_found() -> None:
    with pytest.raises(AssertionError, match=r"Growing, row 0: read a second time, .* or with other content"):
        check_source(Growing())


class Missing(Source):
    """Files that are not there, given as if they were."""

    kinds = {"image": ImageKind()}  # noqa: RUF012

    def rows(self) -> Iterator[Row]:
        yield Case("a", "train", "a", {"image": (Path("gone.png"),)})


def test_missing_files_are_found() -> None:
    with pytest.raises(AssertionError, match=r"'image' has a problem: gone\.png: no such image; yield a BrokenRow"):
        check_source(Missing())
