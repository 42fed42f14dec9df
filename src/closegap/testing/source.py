"""What every source of cases must hold to."""

import pickle
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.source import Source
from closegap.kinds.base import Kind

_SPLITS = ("train", "validation", "test")


def check_source(source: Source) -> None:
    """Read every row and every item of a source, the rows twice, and compare what must agree.

    Args:
        source: at the settings to check, of a small data set; a row that is not sound is a `BrokenRow` in it.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.phantom import Phantoms
        >>> check_source(Phantoms(cases=20, size=32))
    """
    kinds = _check_kinds(source)
    ids: set[str] = set()
    for number, (row, again) in enumerate(zip_longest(source.rows(), source.rows())):
        where = f"{_name(source)}, row {number}"
        assert row is not None, f"{where}: read a second time, there are more rows"
        assert again is not None, f"{where}: read a second time, there are fewer rows"
        if isinstance(row, BrokenRow):
            _check_broken(row, where)
            assert row == again, f"{where}: read a second time, the rows come in another order"
        else:
            assert isinstance(row, Case), f"{where}: a {type(row).__name__}, expected a Case or a BrokenRow"
            _check_case(row, where)
            assert row.id not in ids, (
                f"{where}: the id {row.id!r} comes again; yield a BrokenRow, or one case of all views"
            )
            ids.add(row.id)
            _check_views(row, kinds, f"{where}, case {row.id!r}")
            _check_again(row, again, kinds, where)
    assert ids, f"{_name(source)}: has no case"


def _check_kinds(source: Source) -> Mapping[str, Kind]:
    name, kinds = _name(source), source.kinds
    assert kinds, f"{name}: names no modality"
    for modality, kind in kinds.items():
        assert isinstance(modality, str), f"{name}: names a modality {modality!r}, expected a word"
        assert modality, f"{name}: names a modality {modality!r}, expected a word"
        assert isinstance(kind, Kind), f"{name}: the kind of {modality!r} is {kind!r}, expected one such as TextKind()"
    assert source.modalities == tuple(kinds), f"{name}: modalities {source.modalities}, but kinds of {tuple(kinds)}"
    again = {modality: type(kind) for modality, kind in source.kinds.items()}
    assert again == {modality: type(kind) for modality, kind in kinds.items()}, f"{name}: asked again, other kinds"
    return kinds


def _check_broken(row: BrokenRow, where: str) -> None:
    for part in ("reason", "where", "message"):
        value = getattr(row, part)
        told = isinstance(value, str) and value.strip() and len(value.splitlines()) == 1
        assert told, f"{where}: the {part} of a BrokenRow is {value!r}, expected a line of text"


def _check_case(case: Case, where: str) -> None:
    for part in ("id", "group"):
        value = getattr(case, part)
        told = isinstance(value, str) and bool(value)
        assert told, f"{where}: the {part} of a case is {value!r}, expected a text"
    assert case.split in _SPLITS, f"{where}: the split {case.split!r}, expected one of {', '.join(_SPLITS)}"
    labels = all(isinstance(part, str) for pair in case.labels.items() for part in pair)
    assert labels, f"{where}: the labels {dict(case.labels)}, expected texts by name"
    concepts = isinstance(case.concepts, tuple) and all(isinstance(concept, str) for concept in case.concepts)
    assert concepts, f"{where}: the concepts {case.concepts!r}, expected a tuple of str"


def _check_views(case: Case, kinds: Mapping[str, Kind], where: str) -> None:
    for modality, items in case.views.items():
        assert modality in kinds, f"{where}: views of {modality!r}, which is not among {', '.join(kinds)}"
        assert isinstance(items, tuple), f"{where}: views of {modality!r} in a {type(items).__name__}, expected a tuple"
        assert items, f"{where}: no view of {modality!r}; leave the modality out of the case's views"
        for item in items:
            problem = kinds[modality].problem(item)
            assert problem is None, f"{where}: {modality!r} has a problem: {problem}; yield a BrokenRow instead"


def _check_again(case: Case, again: Row, kinds: Mapping[str, Kind], where: str) -> None:
    """The same from a second reading, and once it travelled to a worker process."""
    try:
        travelled = pickle.loads(pickle.dumps(case))  # noqa: S301 - our own bytes
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise AssertionError(f"{where}: the case does not travel to worker processes ({error})") from error
    expected = _content(case, kinds)
    for other, complaint in (
        (again, "read a second time, the rows come in another order, or with other content"),
        (travelled, "in a worker process the case is another"),
    ):
        same = isinstance(other, Case) and _content(other, kinds) == expected
        assert same, f"{where}: {complaint}"


def _content(case: Case, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    views = {name: [kinds[name].fingerprint(item) for item in items] for name, items in case.views.items()}
    return {**{name: getattr(case, name) for name in ("id", "split", "group", "labels", "concepts")}, "views": views}


def _name(source: Source) -> str:
    return type(source).__name__
