import pickle
from collections import Counter

import pytest

from closegap.data.case import Case
from closegap.errors import UsageError
from closegap.phantom import Phantoms
from closegap.phantom.catalogue import KINDS
from closegap.testing import check_source


def cases(**arguments: object) -> list[Case]:
    return list(Phantoms(**arguments).rows())  # type: ignore[arg-type]


def test_splits_have_their_shares_and_do_not_overlap() -> None:
    rows = cases(cases=400)
    assert Counter(case.split for case in rows) == {"train": 280, "validation": 40, "test": 80}
    assert len({case.id for case in rows}) == len({case.group for case in rows}) == 400


def test_a_larger_data_set_holds_the_smaller_one() -> None:
    assert cases(cases=90)[:37] == cases(cases=37)


def test_any_case_can_be_made_alone() -> None:
    phantoms = Phantoms(cases=30, second_image=0.5, second_report=0.5, missing=0.5)
    assert [phantoms.case(index) for index in reversed(range(30))] == list(phantoms.rows())[::-1]
    assert phantoms.case(12_345).id == "phantom-0-012345"


def test_seeds_give_other_patients() -> None:
    assert all(a.views != b.views for a, b in zip(cases(cases=20, seed=0), cases(cases=20, seed=1), strict=True))


def test_a_case_is_complete_by_default() -> None:
    phantoms = Phantoms(cases=50)
    assert phantoms.modalities == ("image", "report", "record")
    for case in phantoms.rows():
        assert isinstance(case, Case)
        assert {name: len(items) for name, items in case.views.items()} == {"image": 1, "report": 1, "record": 1}
        assert set(case.labels) == {"finding", "view", "side"}
        assert case.concepts


def test_labels_cover_findings_views_and_sides() -> None:
    rows = cases(cases=1500)
    assert {case.labels["finding"] for case in rows} == {"normal", *KINDS}
    assert {case.labels["view"] for case in rows} == {"pa", "ap", "lateral"}
    assert {case.labels["side"] for case in rows} == {"none", "left", "right", "bilateral"}
    assert all((case.labels["finding"] == "normal") == ("normal" in case.concepts) for case in rows)


def test_shares_of_missing_modalities_and_second_views() -> None:
    rows = cases(cases=900, missing=0.3, second_report=0.5, second_image=1.0)
    lacking = Counter(name for case in rows for name in ("image", "report", "record") if name not in case.views)
    assert sum(lacking.values()) / 900 == pytest.approx(0.3, abs=0.05)
    assert all(count / 900 == pytest.approx(0.1, abs=0.04) for count in lacking.values())
    assert all(len(case.views) >= 2 for case in rows)
    reports = [case.views["report"] for case in rows if "report" in case.views]
    assert sum(len(items) == 2 for items in reports) / len(reports) == pytest.approx(0.5, abs=0.06)
    assert all(len(set(items)) == len(items) for items in reports)
    for case in rows:
        views = tuple(image.study.view for image in case.views.get("image", ()))
        assert views in ((), ("ap",), ("pa", "lateral"), ("lateral", "pa"))


def test_more_views_leave_the_rest_of_a_case_alone() -> None:
    plain, rich = cases(cases=60), cases(cases=60, second_report=1.0, second_image=1.0)
    for a, b in zip(plain, rich, strict=True):
        assert all(a.views[name] == b.views[name][:1] for name in a.views)
        assert (a.split, a.labels, a.concepts) == (b.split, b.labels, b.concepts)


def test_cases_travel_to_workers() -> None:
    rows = cases(cases=5)
    assert pickle.loads(pickle.dumps(rows)) == rows  # noqa: S301


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cases": 0}, "Phantoms.cases: 0 given, expected a whole number from 1 to 2147483647"),
        ({"seed": -1}, "Phantoms.seed: -1 given, expected a whole number from 0 to 4294967295"),
        ({"size": 8}, "Phantoms.size: 8 given, expected a whole number from 16 to 16384"),
        ({"blanks": 1.5}, "Phantoms.blanks: 1.5 given, expected a number from 0 to 1"),
        ({"missing": -0.1}, "Phantoms.missing: -0.1 given, expected a number from 0 to 1"),
        ({"shares": (0.5, 0.2, 0.2)}, r"data.shares: \(0.5, 0.2, 0.2\) given, expected .* that sum to 1"),
        ({"shares": (1.2, -0.2, 0.0)}, "Phantoms.shares, item 1: 1.2 given, expected a number from 0 to 1"),
    ],
)
def test_errors_say_what_was_expected(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Phantoms(**arguments)  # type: ignore[arg-type]


def test_it_holds_to_what_every_source_must() -> None:
    check_source(Phantoms(cases=20, size=32, second_image=0.5, second_report=0.5, missing=0.5))
