"""What every metric must hold to."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from math import isinf, isnan
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.base import Metric
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.couple import Couple
from closegap.metrics.extents import EXTENTS
from closegap.metrics.figure import ARROWS, Figure
from closegap.testing.full_set import full_set
from closegap.testing.measured import RESAMPLES, Found, first_pair, measured, resamples

_UNITS = ("decimal", "percent", "count")
_ROUNDING = 1e-6


def check_metric(metric: Metric, embeddings: EmbeddingSet | None = None, without: Collection[str] = ()) -> None:
    """Refuse a metric that does not keep what every metric promises.

    - `figures`: every number has a name, a label, a heading, a direction and a unit that reports know.
    - `values`: at least one number is measured; each is finite or NaN, percents are fractions, and there are
      as many draws as resamples, or none.
    - `names`: no two numbers of a pair of modalities share a name, nor do those of different pairs in one report; a
      number of one modality alone is the same in each pair.
    - `repeat`: measured twice, every number and draw is the same, and the set is not touched.
    - `draws`: each draw is that of its own resample.
    - `absent`: absent rows, NaN, are not read.
    - `rows`: it does not matter whether the further rows of a case stand beside its first one, or behind all cases.
    - `cases`: nor does the order of cases matter to values; to leave out where seeds are drawn by case, as folds are.
    - `sample`: measured of some of the cases, as large sets are, it has the same numbers.
    - `needs`: a set that does not meet a need is left out with its reason.
    - `small`: of one case, of none in common, of cases that are all alike, it is measured or left out with a reason.

    Args:
        metric: at the settings to check.
        embeddings: of a set that has all that it needs, two modalities or more; by default a seeded one of `image`,
            `text` and `record` with groups, labels, concepts, further texts and absent rows.
        without: names of checks above that do not apply.

    Raises:
        AssertionError: what does not hold, in one line.
        UsageError: a name in `without` that is no check.

    Example:
        >>> from closegap.metrics.retrieval import Retrieval
        >>> check_metric(Retrieval())
    """
    unknown = sorted(set(without) - set(_CHECKS))
    if unknown:
        raise UsageError(f"without names {', '.join(unknown)}, which is no check; there are {', '.join(_CHECKS)}")
    given = _Given(metric, full_set() if embeddings is None else embeddings)
    for name, check in _CHECKS.items():
        if name not in without:
            try:
                check(given)
            except AssertionError as error:
                raise AssertionError(f"{type(metric).__name__} fails the check {name!r}: {error}") from error


class _Given:
    """A metric, the set that has all that it needs, and what is measured of the set's first two modalities."""

    def __init__(self, metric: Metric, embeddings: EmbeddingSet) -> None:
        self.metric, self.embeddings = metric, embeddings

    @cached_property
    def expected(self) -> Found:
        return measured(self.metric, first_pair(self.embeddings))


def _ensure(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _agree(found: Mapping[str, Sampled], expected: Mapping[str, Sampled], what: str, tolerance: float) -> None:
    _ensure(set(found) == set(expected), f"{what}: {sorted(found)} measured, not {sorted(expected)}")
    for name, value in expected.items():
        for part, one, other in (
            ("value", _double(found[name].value), _double(value.value)),
            ("draws", _double(found[name].draws), _double(value.draws)),
        ):
            same = one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True)
            _ensure(same, f"{what}: the {part} of {name!r}: {_told(one)}, not {_told(other)}")


def _double(number: float | Tensor) -> Tensor:
    return torch.as_tensor(number, dtype=torch.float64)


def _values(found: Found) -> dict[str, Sampled]:
    return {name: Sampled(value.value, torch.empty(0)) for name, value in found.by_name.items()}


def _told(numbers: Tensor) -> str:
    return ", ".join(f"{number:.7g}" for number in numbers.flatten().tolist())


def _figures(given: _Given) -> None:
    extent = given.metric.extent
    _ensure(extent in EXTENTS, f"its extent is {extent!r}, expected one of {', '.join(EXTENTS)}")
    for figure, _ in given.expected.numbers:
        _ensure(isinstance(figure, Figure), f"a number goes by {figure!r}, expected a Figure")
        for part in ("name", "label", "heading"):
            text = getattr(figure, part)
            _ensure(bool(text.strip()) and text.isprintable(), f"the {part} of {figure.name!r} is {text!r}")
        _ensure(
            not set(figure.name) & set(":|"), f"the name {figure.name!r} has a : or |, which tell pairs of modalities"
        )
        _ensure(not figure.pair, f"{figure.name!r} names its pair {figure.pair!r}, which reports do")
        known = ", ".join(str(direction) for direction in ARROWS)
        _ensure(
            figure.direction in ARROWS, f"the direction of {figure.name!r} is {figure.direction!r}, expected {known}"
        )
        _ensure(figure.unit in _UNITS, f"the unit of {figure.name!r} is {figure.unit!r}, expected {', '.join(_UNITS)}")
        _ensure(
            not figure.task or figure.direction is not None, f"{figure.name!r} is a task, and no direction is better"
        )


def _numbers(given: _Given) -> None:
    found = given.expected
    _ensure(bool(found.numbers), f"nothing is measured of a set that has everything: {'; '.join(found.reasons)}")
    for figure, value in found.numbers:
        _ensure(not isinf(value.value), f"{figure.name!r} is {value.value}, expected a finite number or NaN")
        _ensure(
            figure.unit != "percent" or isnan(value.value) or abs(value.value) <= 1 + _ROUNDING,
            f"{figure.name!r} is {value.value:.7g}, expected a fraction: percents are written as 0..1",
        )
        shape = tuple(value.draws.shape)
        _ensure(
            shape in ((0,), (RESAMPLES,)),
            f"{figure.name!r} has draws of shape {shape}, expected ({RESAMPLES},) or (0,)",
        )
        _ensure(not bool(value.draws.isinf().any()), f"{figure.name!r} has draws that are infinite")


def _names(given: _Given) -> None:
    held: dict[str, tuple[Figure, float]] = {}
    for a, b in combinations(given.embeddings.modalities, 2):
        seen: set[str] = set()
        for figure, value in measured(given.metric, Couple.of(given.embeddings, a, b)).numbers:
            named = figure.of(f"{a}|{b}")
            _ensure(named.full_name not in seen, f"two numbers of {a} and {b} are called {figure.name!r}")
            seen.add(named.full_name)
            other, before = held.setdefault(named.full_name, (named, value.value))
            _ensure(other == named, f"two pairs of modalities have other figures of the name {figure.name!r}")
            same = isnan(before) or isnan(value.value) or abs(before - value.value) <= _ROUNDING
            _ensure(
                same,
                f"{figure.name!r} is of one modality, but {before:.7g} in one pair and {value.value:.7g} in another",
            )


def _repeat(given: _Given) -> None:
    couple = first_pair(given.embeddings)
    before = couple.x.embeddings.clone(), couple.y.embeddings.clone()
    found = measured(given.metric, couple).by_name
    for name, rows, were in zip((couple.a, couple.b), (couple.x, couple.y), before, strict=True):
        _ensure(torch.equal(rows.embeddings, were), f"rows of {name} were changed")
    _agree(found, given.expected.by_name, "measured twice, where what is random needs a seed", 0.0)


def _draws(given: _Given) -> None:
    counts, order = resamples(given.embeddings), torch.arange(RESAMPLES).flip(0)
    expected = {
        name: Sampled(value.value, value.draws[order] if len(value.draws) else value.draws)
        for name, value in given.expected.by_name.items()
    }
    found = measured(given.metric, first_pair(given.embeddings), counts[order]).by_name
    _agree(found, expected, "resamples in another order", _ROUNDING)


def _absent(given: _Given) -> None:
    rows = {
        name: torch.where(given.embeddings.mask(name)[:, None], rows, torch.nan)
        for name, rows in given.embeddings.embeddings.items()
    }
    found = measured(given.metric, first_pair(replace(given.embeddings, embeddings=rows)))
    _agree(found.by_name, given.expected.by_name, "absent rows that are NaN", _ROUNDING)


def _rows(given: _Given) -> None:
    first = _first_rows(given.embeddings)
    further = sorted(set(range(len(given.embeddings.ids))) - set(first))
    moved = given.embeddings.select(torch.tensor(first + further))
    found = measured(given.metric, first_pair(moved))
    _agree(found.by_name, given.expected.by_name, "further rows of cases behind all cases", _ROUNDING)


def _cases(given: _Given) -> None:
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(given.embeddings.ids):
        rows.setdefault(case, []).append(row)
    turned = given.embeddings.select(torch.tensor([row for case in reversed(rows) for row in rows[case]]))
    found = measured(given.metric, first_pair(turned))
    _agree(_values(found), _values(given.expected), "cases in another order", _ROUNDING)


def _sample(given: _Given) -> None:
    chosen = torch.arange(len(set(given.embeddings.ids))) % 3 != 2
    found = measured(given.metric, replace(first_pair(given.embeddings), chosen=chosen))
    expected = given.expected.by_name
    _ensure(
        set(found.by_name) == set(expected), f"{sorted(found.by_name)} are measured of a sample, not {sorted(expected)}"
    )


def _needs(given: _Given) -> None:
    for need in given.metric.needs:
        _ensure(len(need.reason.splitlines()) == 1, f"a need has the reason {need.reason!r}, expected a line of text")
    bare = first_pair(_bare(given.embeddings))
    unmet = [need.reason for need in given.metric.needs if not need.met(bare)]
    found = measured(given.metric, bare)
    if unmet:
        _ensure(not found.numbers, f"{sorted(found.by_name)} measured of a set that does not meet a need: {unmet[0]}")
        others = [reason for reason in found.reasons if reason not in unmet]
        _ensure(not others, f"left out with the reason {others[:1]}, not with that of the need: {unmet[0]}")
        _ensure(bool(found.reasons), f"left out without the reason of the need: {unmet[0]}")


def _small(given: _Given) -> None:
    embeddings = given.embeddings
    a, b = list(embeddings.modalities)[:2]
    both = [row for row in _first_rows(embeddings) if embeddings.mask(a)[row] and embeddings.mask(b)[row]]
    some = embeddings.select(torch.tensor(both[:4]))
    alike = {name: rows[:1].expand(len(rows), -1).clone() for name, rows in some.embeddings.items()}
    odd = torch.arange(len(some.ids)) % 2 == 0
    for what, few in (
        ("one case", embeddings.select(torch.tensor(both[:1]))),
        ("two cases", embeddings.select(torch.tensor(both[:2]))),
        ("cases that are all alike", replace(some, embeddings=alike)),
        ("modalities without a case in common", replace(some, present={**some.present, a: odd, b: ~odd})),
        ("a modality that no case has", replace(some, present={**some.present, b: torch.zeros_like(odd)})),
    ):
        try:
            with catch_warnings():
                simplefilter("ignore")  # of libraries, that there is little to work with
                found = measured(given.metric, first_pair(few))
        except AssertionError as error:
            raise AssertionError(f"of {what}, {error}") from error
        for figure, value in found.numbers:
            _ensure(not isinf(value.value), f"of {what}, {figure.name!r} is {value.value}, expected a number or NaN")
        _ensure(bool(found.numbers or found.reasons), f"of {what} nothing is measured, and no reason is given")


def _bare(embeddings: EmbeddingSet) -> EmbeddingSet:
    """The first row of each case in the first two modalities, and nothing else that is known of it."""
    some = embeddings.select(torch.tensor(_first_rows(embeddings)))
    pair = list(some.modalities)[:2]
    return EmbeddingSet(
        {name: some.embeddings[name] for name in pair}, some.ids, {name: some.mask(name) for name in pair}
    )


def _first_rows(embeddings: EmbeddingSet) -> list[int]:
    first: dict[str, int] = {}
    for row, case in enumerate(embeddings.ids):
        first.setdefault(case, row)
    return list(first.values())


_CHECKS: dict[str, Callable[[_Given], None]] = {
    "figures": _figures,
    "values": _numbers,
    "names": _names,
    "repeat": _repeat,
    "draws": _draws,
    "absent": _absent,
    "rows": _rows,
    "cases": _cases,
    "sample": _sample,
    "needs": _needs,
    "small": _small,
}
