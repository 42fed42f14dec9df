"""`check_metric` passes what is sound, and finds and names each fault."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics import Counts, Couple, Figure, Measured, Metric, Need, Sampled, estimates, weighted_means
from closegap.metrics.base import Attempt
from closegap.testing import check_metric
from closegap.testing.full_set import full_set

LENGTH = Figure("length", "Mean first coordinate", "Place", "lower", meaning="Of the first modality.")
LABELS = Need("needs labels, and none were given", lambda couple: bool(couple.embeddings.labels))

Fault = Callable[[Couple, dict[Figure, Sampled]], Any]


class Length(Metric):
    """The mean first coordinate of the first modality, changed by `fault`."""

    what = "length"

    def __init__(self, fault: Fault = lambda couple, found: found) -> None:
        self.fault = fault

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        if not len(couple.x.cases):
            raise UsageError("no rows of the first modality")
        rows = couple.some(couple.x)
        found = estimates(weighted_means({"length": rows.embeddings[:, 0].double()}), rows.groups, counts)
        changed: Measured = self.fault(couple, {LENGTH: found["length"]})
        return changed


class Eager(Length):
    extent = "everything"  # type: ignore[assignment]


class Careless(Length):
    """Measures without asking for its needs."""

    needs = (LABELS,)

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        yield self.what, lambda: self.measure(couple, counts)


class Silent(Length):
    """Leaves out without a reason."""

    needs = (LABELS,)

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        if couple.embeddings.labels:
            yield from super().attempts(couple, counts)


class Nameless(Length):
    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        yield "", lambda: self.measure(couple, counts)


class Textual(Length):
    """Calls its number by name."""

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        found = self.measure(couple, counts)[LENGTH]
        yield self.what, lambda: {"length": found}  # type: ignore[dict-item]


class Labelled(Length):
    needs = (LABELS,)


def named(**changes: Any) -> Fault:
    figure = replace(LENGTH)
    for name, value in changes.items():
        object.__setattr__(figure, name, value)  # as where nobody checks types
    return lambda _, found: {figure: found[LENGTH]}


def valued(change: Callable[[Couple, Sampled], Sampled]) -> Fault:
    return lambda couple, found: {LENGTH: change(couple, found[LENGTH])}


def moved(amount: Callable[[Couple], float]) -> Fault:
    return valued(lambda couple, found: Sampled(found.value + amount(couple), found.draws))


def drawn(change: Callable[[Tensor], Tensor]) -> Fault:
    return valued(lambda _, found: Sampled(found.value, change(found.draws)))


def in_place(couple: Couple, found: dict[Figure, Sampled]) -> dict[Figure, Sampled]:
    couple.x.embeddings.mul_(0.5)
    return found


def refused(couple: Couple, found: dict[Figure, Sampled]) -> dict[Figure, Sampled]:
    raise UsageError("never enough")


def dividing(couple: Couple, found: dict[Figure, Sampled]) -> dict[Figure, Sampled]:
    return {LENGTH: Sampled(found[LENGTH].value / (len(couple.x.cases) - 1), found[LENGTH].draws)}


def absent_rows(couple: Couple) -> float:
    return float(couple.embeddings.embeddings[couple.a][~couple.embeddings.mask(couple.a)].sum())


def row_numbers(couple: Couple) -> float:
    return float(couple.y.index.double() @ couple.y.embeddings[:, 0].double())


def case_numbers(couple: Couple) -> float:
    return float(couple.x.cases.double() @ couple.x.embeddings[:, 0].double())


def only_in_full(couple: Couple, found: dict[Figure, Sampled]) -> dict[Figure, Sampled]:
    return found if couple.chosen is None else {}


FAULTS: list[tuple[Metric, str, str]] = [
    (Eager(), "figures", "its extent is 'everything', expected one of quick, tasks, all"),
    (Length(named(label=" ")), "figures", "the label of 'length' is ' '"),
    (Length(named(name="a:length")), "figures", "the name 'a:length' has a : or |"),
    (Length(named(pair="image|text")), "figures", "'length' names its pair 'image|text', which reports do"),
    (Length(named(direction="up")), "figures", "the direction of 'length' is 'up', expected higher, lower, zero, None"),
    (Length(named(unit="%")), "figures", "the unit of 'length' is '%', expected decimal, percent, count"),
    (Length(named(task=True, direction=None)), "figures", "'length' is a task, and no direction is better"),
    (Textual(), "figures", "a number goes by 'length', expected a Figure"),
    (Nameless(), "figures", "an attempt has no name, by which a report could say that it failed"),
    (Length(refused), "values", "nothing is measured of a set that has everything: never enough"),
    (Length(moved(lambda _: float("inf"))), "values", "'length' is inf, expected a finite number or NaN"),
    (
        Length(lambda _, found: {replace(LENGTH, unit="percent"): Sampled(12.5, found[LENGTH].draws)}),
        "values",
        "'length' is 12.5, expected a fraction: percents are written as 0..1",
    ),
    (
        Length(drawn(lambda draws: draws[:3])),
        "values",
        r"'length' has draws of shape \(3,\), expected \(6,\) or \(0,\)",
    ),
    (Length(drawn(lambda draws: draws / 0)), "values", "'length' has draws that are infinite"),
    (
        Length(lambda _, found: {**found, replace(LENGTH, label="Other"): found[LENGTH]}),
        "names",
        "two numbers of image and text are called 'length'",
    ),
    (
        Length(lambda couple, found: {replace(LENGTH, of_one=True, label=couple.b): found[LENGTH]}),
        "names",
        "two pairs of modalities have other figures of the name 'length'",
    ),
    (Length(named(of_one=True)), "names", "'length' is of one modality, but .* in one pair and .* in another"),
    (Length(moved(lambda _: float(torch.rand(())))), "repeat", "measured twice, .* seed: the value of 'length'"),
    (Length(in_place), "repeat", "rows of image were changed"),
    (Length(drawn(lambda draws: draws.sort().values)), "draws", "resamples in another order: the draws of 'length'"),
    (Length(moved(absent_rows)), "absent", "absent rows that are NaN: the value of 'length': nan"),
    (Length(moved(row_numbers)), "rows", "further rows of cases behind all cases: the value of 'length'"),
    (Length(moved(case_numbers)), "cases", "cases in another order: the value of 'length'"),
    (Length(only_in_full), "sample", r"\[\] are measured of a sample, not \['length'\]"),
    (Careless(), "needs", r"\['length'\] measured of a set that does not meet a need: needs labels"),
    (Silent(), "needs", "left out without the reason of the need: needs labels"),
    (
        Length(dividing),
        "small",
        "of one case, 'length' raises ZeroDivisionError .*; raise UsageError where data",
    ),
]


def test_a_sound_metric_passes() -> None:
    check_metric(Length())
    check_metric(Labelled())


@pytest.mark.parametrize(("metric", "name", "message"), FAULTS, ids=[f"{name}: {said}" for _, name, said in FAULTS])
def test_a_fault_is_found_and_named(metric: Metric, name: str, message: str) -> None:
    with pytest.raises(AssertionError, match=f"{type(metric).__name__} fails the check '{name}': {message}"):
        check_metric(metric)


def test_a_check_may_be_left_out() -> None:
    check_metric(Length(moved(case_numbers)), without=["cases"])
    with pytest.raises(UsageError, match="without names speed, which is no check; there are figures, values, names"):
        check_metric(Length(), without=["speed"])


def test_a_set_may_be_given() -> None:
    embeddings = full_set()
    renamed = replace(
        embeddings,
        embeddings={f"my {name}": rows for name, rows in embeddings.embeddings.items()},
        present={f"my {name}": mask for name, mask in embeddings.present.items()},
    )

    def demanding(couple: Couple, found: dict[Figure, Sampled]) -> dict[Figure, Sampled]:
        if not couple.a.startswith("my "):
            raise UsageError(f"{couple.a} is not mine")
        return found

    check_metric(Length(demanding), renamed)
    with pytest.raises(AssertionError, match="nothing is measured of a set that has everything: image is not mine"):
        check_metric(Length(demanding))
