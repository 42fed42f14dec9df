"""Broken rows, leaks and missing modalities: raised, or left out and counted."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from closegap.data import BrokenRow, Case, Cases, Checks, Roco, Row, Source, load_cases
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.kinds import CodesKind, ImageKind, Kind, RecordKind, TextKind


class Listed(Source):
    """Whatever is listed."""

    def __init__(self, rows: Sequence[Row], kinds: Mapping[str, Kind] | None = None) -> None:
        self._rows, self._kinds = rows, kinds or {"text": TextKind(), "record": RecordKind()}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return self._kinds

    def rows(self) -> Iterator[Row]:
        yield from self._rows


def case(key: str, split: str = "train", group: str | None = None, **views: tuple[object, ...]) -> Case:
    return Case(key, split, group or key, views or {"text": ("words",), "record": ({"age": 1.0},)})


def broken(number: int, reason: str = "empty caption") -> BrokenRow:
    return BrokenRow(reason, f"table.csv, row {number}", "no caption; remove the row")


def test_sound_cases_keep_their_order_and_lose_nothing() -> None:
    rows = [case("c"), case("t", "test"), case("a"), case("v", "validation")]
    found = load_cases(Listed(rows))
    assert list(found.splits) == ["train", "validation", "test"]
    assert found.split("train") == (rows[0], rows[2])
    assert found.skipped == ()
    assert found.counts == {}


def test_the_first_broken_row_is_named_and_all_are_counted() -> None:
    rows: list[Row] = [case("a"), broken(2), broken(3), broken(4, "no id")]
    with pytest.raises(DataError) as caught:
        load_cases(Listed(rows))
    assert str(caught.value) == (
        "table.csv, row 2: no caption; remove the row (3 of 4 rows are broken: empty caption 2, no id 1); "
        "mend it, or leave such rows out with --checks.on_error skip"
    )


def test_broken_rows_are_left_out_and_counted() -> None:
    rows: list[Row] = [case("a"), broken(2), case("b")]
    found = load_cases(Listed(rows), Checks(on_error="skip", max_skipped=0.4))
    assert found.split("train") == (rows[0], rows[2])
    assert found.skipped == (broken(2),)
    assert found.counts == {"empty caption": 1}


@pytest.mark.parametrize(("share", "starts"), [(0.25, True), (0.24, False), (0.0, False), (1.0, True)])
def test_too_many_broken_rows_do_not_start(share: float, starts: bool) -> None:
    source = Listed([case("a"), case("b"), case("c"), broken(4)])
    checks = Checks(on_error="skip", max_skipped=share)
    if starts:
        assert load_cases(source, checks).counts == {"empty caption": 1}
    else:
        message = "1 of 4 rows are broken: empty caption 1, more than --checks.max_skipped 0.*row 4"
        with pytest.raises(DataError, match=message):
            load_cases(source, checks)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match=r"Checks\.max_skipped: .* given, expected a number from 0 to 1"):
        Checks(max_skipped=share)


def test_duplicate_ids_across_splits() -> None:
    with pytest.raises(DataError, match="case 'a': id 'a' of train comes again in test; ids are unique"):
        load_cases(Listed([case("a"), case("a", "test")]))


def test_unknown_splits() -> None:
    with pytest.raises(DataError, match="case 'a': split 'dev', expected one of 'train', 'validation', 'test'"):
        load_cases(Listed([case("a", "dev")]))


def test_a_leak_names_the_group_and_the_splits() -> None:
    rows = [case("a", "test", "p1"), case("b", "train", "p1"), case("c", "train", "p2"), case("d", "validation", "p2")]
    with pytest.raises(DataError, match=r"group 'p1' is in train and test \(2 such groups\).*leaks drop"):
        load_cases(Listed(rows))


def test_leaks_are_dropped_from_the_training_side() -> None:
    rows = [
        case("1", "train", "all three"),
        case("2", "validation", "all three"),
        case("3", "test", "all three"),
        case("4", "test", "test first"),
        case("5", "train", "test first"),
        case("6", "validation", "no test"),
        case("7", "train", "no test"),
        case("8", "train", "alone"),
        case("9", "train", "alone"),
    ]
    found = load_cases(Listed(rows), Checks(leaks="drop", max_skipped=0))
    assert {name: [row.id for row in held] for name, held in found.splits.items()} == {
        "train": ["8", "9"],
        "validation": ["6"],
        "test": ["3", "4"],
    }
    assert found.counts == {"group in two splits": 4}
    assert "kept in the latter" in found.skipped[0].message


def test_modalities_narrow_the_cases_in_the_order_asked_for() -> None:
    found = load_cases(Listed([case("a")]), modalities=["record", "text"])
    assert found.modalities == ("record", "text")
    assert list(found.split("train")[0].views) == ["record", "text"]
    assert list(load_cases(Listed([case("a")]), modalities=["record"]).split("train")[0].views) == ["record"]


def test_a_modality_that_the_data_lack() -> None:
    with pytest.raises(UsageError, match="the data have no modality 'audio'; they have 'text', 'record'"):
        load_cases(Listed([case("a")]), modalities=["text", "audio"])


def test_a_modality_that_no_case_has() -> None:
    with pytest.raises(DataError, match="modality 'record': no case has it"):
        load_cases(Listed([case("a", text=("words",))]))


def test_cases_with_nothing_asked_for_are_left_out_whatever_the_share() -> None:
    rows = [case("a"), case("b", text=("words",)), case("c", text=("words",), record=())]
    found = load_cases(Listed(rows), Checks(max_skipped=0), ["record"])
    assert [row.id for row in found.split("train")] == ["a"]
    assert found.counts == {"no modality asked for": 2}


def test_nothing_left() -> None:
    with pytest.raises(DataError, match="no case is left: no modality asked for 1"):
        load_cases(Listed([case("b", text=("words",))]), modalities=["record"])
    with pytest.raises(DataError, match="no case is left"):
        load_cases(Listed([]))


def test_a_split_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no cases in split 'test'; there are 'train'"):
        load_cases(Listed([case("a")])).split("test")


def test_what_was_left_out_is_written_down(tmp_path: Path) -> None:
    row = BrokenRow("empty caption", "a, b.csv, row 2", 'says "nothing"')
    Cases({"text": TextKind()}, {}, (row,)).write_skipped(tmp_path / "run" / "skipped.csv")
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["reason", "where", "message"], [row.reason, row.where, row.message]]


@dataclass(frozen=True)
class Foreign:
    """An image that somebody else's program opens."""

    sound: bool

    def open(self) -> Image.Image:
        if not self.sound:
            raise ValueError("series 3 is empty")
        return Image.new("L", (4, 4))

    def fingerprint(self) -> bytes:
        return repr(self).encode()


@pytest.mark.parametrize(
    ("kind", "item", "reason", "message"),
    [
        (TextKind(), {"age": 3}, "text unreadable", "modality 'x': expected a text, found a dict"),
        (TextKind(), "", "text unreadable", "modality 'x': expected a text, found a blank one"),
        (RecordKind(), "F", "record unreadable", "modality 'x': expected a record, such as"),
        (CodesKind(), "C1", "code set unreadable", "modality 'x': expected codes, such as"),
        (ImageKind(), Foreign(False), "image unreadable", "modality 'x': Foreign(sound=False): cannot be opened"),
        (ImageKind(), Path("x" * 400), "image missing", f"modality 'x': {'x' * 400}: no such image"),
    ],
)
def test_every_item_of_every_modality_is_verified(kind: Kind, item: object, reason: str, message: str) -> None:
    fine = Foreign(True) if kind.costly else {TextKind: "b", RecordKind: {"age": 3}, CodesKind: ("C1",)}[type(kind)]
    rows = [case("a", text=("a",), x=(item,)), case("b", text=("a",), x=(fine,))]
    source = Listed(rows, {"text": TextKind(), "x": kind})
    with pytest.raises(DataError, match=re.escape(f"case 'a': {message}")):
        load_cases(source)
    found = load_cases(source, Checks(on_error="skip", max_skipped=0.5))
    assert found.counts == {reason: 1}
    assert [row.id for row in found.split("train")] == ["b"]
    assert len(load_cases(source, modalities=["text"]).split("train")) == 2  # nobody asked for it
    if "missing" not in reason:
        assert len(load_cases(source, Checks(verify=False)).split("train")) == 2


def cut(image: Path) -> None:
    content = image.read_bytes()
    image.write_bytes(content[: len(content) * 3 // 4])


@pytest.mark.parametrize("verify", [True, False])
def test_an_image_that_is_missing(small_roco: Path, verify: bool) -> None:
    image = small_roco / "data/train/radiology/images/ROCO_00004.jpg"
    image.unlink()
    place = r"captions\.txt, row 5, case 'ROCO_00004': modality 'image': .*ROCO_00004\.jpg"
    with pytest.raises(DataError, match=rf"{place}: no such image; mend it"):
        load_cases(Roco(small_roco), Checks(verify=verify))
    found = load_cases(Roco(small_roco), Checks(on_error="skip", max_skipped=0.1, verify=verify))
    assert found.counts == {"image missing": 1}
    assert len(found.split("train")) == 7


def test_an_image_that_is_truncated(small_roco: Path) -> None:
    cut(small_roco / "data/train/radiology/images/ROCO_00004.jpg")
    with pytest.raises(DataError, match=r"ROCO_00004\.jpg: damaged or truncated image") as caught:
        load_cases(Roco(small_roco))
    assert "\n" not in str(caught.value)
    found = load_cases(Roco(small_roco), Checks(on_error="skip", max_skipped=0.1))
    assert found.counts == {"image unreadable": 1}
    assert len(load_cases(Roco(small_roco), Checks(verify=False)).split("train")) == 8


def test_images_that_nobody_asked_for_may_be_broken(small_roco: Path) -> None:
    cut(small_roco / "data/train/radiology/images/ROCO_00004.jpg")
    (small_roco / "data/train/radiology/images/ROCO_00005.jpg").unlink()
    assert load_cases(Roco(small_roco), modalities=["caption", "concepts"]).counts == {}


def test_nothing_is_decoded_for_a_run_that_will_not_start(small_roco: Path) -> None:
    (small_roco / "data/train/radiology/images/ROCO_00005.jpg").unlink()
    calls: list[tuple[int, int]] = []
    with pytest.raises(DataError, match="no such image"):
        load_cases(Roco(small_roco), progress=lambda done, total: calls.append((done, total)))
    assert calls == []


def test_missing_and_unreadable_images_count_together(small_roco: Path) -> None:
    (small_roco / "data/train/radiology/images/ROCO_00005.jpg").unlink()
    cut(small_roco / "data/train/radiology/images/ROCO_00004.jpg")
    with pytest.raises(DataError, match="2 of 12 rows are broken: image missing 1, image unreadable 1, more than"):
        load_cases(Roco(small_roco), Checks(on_error="skip", max_skipped=0.1))


def test_progress_is_reported(small_roco: Path) -> None:
    calls: list[tuple[int, int]] = []
    load_cases(Roco(small_roco), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (12, 12)


@pytest.mark.parametrize("checks", [Checks(), Checks(on_error="skip", max_skipped=0)])
def test_errors_are_one_line(small_roco: Path, checks: Checks) -> None:
    (small_roco / "data/train/radiology/captions.txt").write_text("ROCO_00001\t\nROCO_00002\t\n")
    with pytest.raises(ClosegapError) as caught:
        load_cases(Roco(small_roco), checks)
    assert "\n" not in str(caught.value)
