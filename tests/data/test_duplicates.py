"""Cases that share an item: counted, and made one on request."""

from pathlib import Path

from tests.data.test_checks import Listed, case

from closegap.data import Checks, load_cases
from closegap.data.duplicates import duplicates, merged
from closegap.kinds import ImageKind, TextKind

KINDS = {"image": ImageKind(), "text": TextKind()}


def test_texts_are_the_same_whatever_their_blanks_and_case() -> None:
    cases = [
        case("a", image=(Path("a.png"),), text=("No  effusion.", "alone")),
        case("b", image=(Path("b.png"),), text=("no effusion.\n",)),
        case("c", image=(Path("c.png"),), text=("an effusion",)),
        case("d", text=("twice", "twice")),
    ]
    assert duplicates(cases, KINDS) == {"text": 2}
    assert duplicates([*cases, case("e", image=(Path("c.png"),))], KINDS) == {"image": 2, "text": 2}
    assert duplicates(cases[2:], KINDS) == {}


def test_cases_that_share_an_item_become_one_through_others_too() -> None:
    cases = [
        case("a", group="p", image=(Path("a.png"),), text=("same",)),
        case("z", group="z", text=("other",)),
        case("b", group="q", image=(Path("b.png"),), text=("Same", "more")),
        case("c", group="r", image=(Path("b.png"), Path("c.png"))),
        case("d", group="q", text=("of the group of b",)),
    ]
    one, alone, in_group = merged(cases, KINDS)
    assert (one.id, alone, in_group.id) == ("a", cases[1], "d")
    assert one.views == {"image": (Path("a.png"), Path("b.png"), Path("c.png")), "text": ("same", "more")}
    assert one.group == in_group.group
    assert merged(cases[1:2], KINDS) == cases[1:2]


def test_a_run_takes_them_as_its_checks_say() -> None:
    rows = [case("a", text=("same",)), case("b", text=("same",)), case("t", "test", text=("same",))]
    source = Listed(rows, {"text": TextKind()})
    assert [len(load_cases(source).split(name)) for name in ("train", "test")] == [2, 1]
    found = load_cases(source, Checks(duplicates="merge"))
    assert [len(found.split(name)) for name in ("train", "test")] == [1, 1]
