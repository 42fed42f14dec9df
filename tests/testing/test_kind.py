"""`check_kind` passes for our kinds, and says what is wrong with one that breaks a rule."""

import time
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from PIL import Image

from closegap.kinds import CodesKind, ImageKind, Kind, Place, RecordKind, TextKind
from closegap.phantom import Phantoms
from closegap.testing import check_kind

TEXTS = ["no effusion", " A mass\nof 3 cm, \ud800.", "word " * 300]


@pytest.fixture
def images(tmp_path: Path) -> list[Any]:
    """A JPEG, a PNG, images in memory of several modes, phantoms."""
    files = [tmp_path / "a.jpg", tmp_path / "b.png"]
    for number, file in enumerate(files):
        Image.effect_noise((60, 40), 30 + number).save(file)
    phantoms = [Phantoms(size=32).case(index).views["image"][0] for index in range(2)]
    return [*files, Image.new("CMYK", (9, 5), 3), Image.new("I;16", (5, 5), 300), Image.new("L", (3, 8)), *phantoms]


def test_images(images: list[Any]) -> None:
    check_kind(ImageKind(), images)


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (TextKind(), TEXTS),
        (CodesKind(), [("C1", "C2"), ("C2",), ("ü", "C1")]),
        (CodesKind("|"), [("C1", "C2"), ("C2",)]),
        (RecordKind(), [{"age": 64.0, "sex": None}, {"age": 64.0, "sex": "F"}, {"age": None, "sex": None}, {"n": 3}]),
    ],
)
def test_kinds_without_files(kind: Kind, items: list[Any]) -> None:
    check_kind(kind, items)


class Demanding(TextKind):
    def __init__(self, language: str) -> None:
        self.language = language


class Homebound(TextKind):
    def __init__(self) -> None:
        self.clean = lambda text: text


class Nameless(TextKind):
    noun = " "


class Strict(TextKind):
    def problem(self, item: Any) -> str | None:
        return super().problem(item) or ("too short" if len(item) < 20 else None)


class Raises(TextKind):
    def problem(self, item: Any) -> str | None:
        return None if item.strip() else "blank"


class Trusting(TextKind):
    def problem(self, item: Any) -> str | None:
        return None if item is not None else "nothing"


class Placed(TextKind):
    def place(self, item: Any) -> Place | None:
        return Place(Path(item)) if item is None else None  # type: ignore[arg-type]


class Lost(TextKind):
    def place(self, item: Any) -> Place | None:
        return Place(Path("no such file"))


class Length(TextKind):
    def fingerprint(self, item: Any) -> bytes:
        return str(len(item) // 100).encode()


class Words(TextKind):
    def fingerprint(self, item: Any) -> Any:
        return item


class Timed(TextKind):
    def fingerprint(self, item: Any) -> bytes:
        return super().fingerprint(item) + str(time.perf_counter_ns()).encode()


class Local(TextKind):
    """Its fingerprint holds in one process alone."""

    def fingerprint(self, item: Any) -> bytes:
        return super().fingerprint(item) + repr(id(self)).encode()


class Shortened(TextKind):
    def unpack(self, data: bytes) -> str:
        return super().unpack(data)[:5]


class Misplaced(TextKind):
    def stored(self, stored: Any) -> str:
        text: str = self.unpack(stored.file.read_bytes())
        return text


class Zipped(TextKind):
    def pack(self, item: Any) -> bytes:
        return b"\xff" + super().pack(item)

    def unpack(self, data: bytes) -> str:
        return super().unpack(data[1:])


class Suffixless(TextKind):
    def suffix(self, packed: bytes) -> str:
        return "txt"


class Picky(TextKind):
    def parse(self, given: Any) -> Any:
        return int(given)


class Bold(TextKind):
    def show(self, item: Any) -> Markup:
        return Markup(f"<b>{item}</b>")


class Hovering(TextKind):
    def show(self, item: Any) -> Markup:
        return Markup('<p title="{}">.</p>').format(Markup(item.replace("<", "").replace(">", "")))


class Remote(TextKind):
    def show(self, item: Any) -> Markup:
        return Markup('<img src="https://example.org/{}">').format(item)


class Plain(TextKind):
    def show(self, item: Any) -> Any:
        return "text"


class Lines(TextKind):
    def text(self, item: Any) -> str:
        return str(item)


class Viewless(TextKind):
    def views(self, items: Any) -> Any:
        return list(items)


class Conceptual(TextKind):
    def concepts(self, item: Any) -> Any:
        return item


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Demanding("en"), "Demanding: cannot be made without arguments .* give its settings defaults"),
        (Homebound(), "Homebound: does not travel to worker processes"),
        (Nameless(), "Nameless: its noun is ' ', expected a word"),
        (Strict(), "Strict: a problem with the item 'no effusion': too short"),
        (Raises(), "Raises: problem raises AttributeError for None .*; return what is wrong"),
        (Trusting(), "Trusting: no problem is found with <object object"),
        (Placed(), "Placed: place raises TypeError for None"),
        (Lost(), r"Lost: .* lies in Place\(.*no such file.*\), which does not exist"),
        (Length(), "Length: 'no effusion' and .* have one fingerprint"),
        (Words(), "Words: fingerprint returns a str, expected bytes"),
        (Timed(), "Timed: the fingerprint of 'no effusion' changes from call to call"),
        (Local(), "Local: 'no effusion' has another fingerprint once it travelled"),
        (Shortened(), "Shortened: packed and unpacked, 'no effusion' has another fingerprint, and is shown otherwise"),
        (Misplaced(), "Misplaced: stored in an archive, 'no effusion' has another fingerprint"),
        (Zipped(), "Zipped: compact, but 'no effusion' is not packed to UTF-8"),
        (Suffixless(), r"Suffixless: suffix is 'txt', expected one such as '\.npy'"),
        (Picky(), "Picky: parse refuses 'no effusion', which is an item"),
        (Bold(), "Bold: what is shown of .* has a <script>; escape texts"),
        (Hovering(), "Hovering: what is shown of .* has a src of 'x'; escape texts"),
        (Remote(), "Remote: what is shown of .* has a src of 'https://example.org/.*load nothing but data:"),
        (Plain(), "Plain: show returns a str, expected markupsafe.Markup"),
        (Lines(), "Lines: the text of .* has several lines"),
        (Viewless(), r"Viewless: views makes \['no effusion', .* of items, expected a tuple of them"),
        (Conceptual(), "Conceptual: concepts returns 'no effusion', expected a tuple of str"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Kind) else "",
)
def test_what_a_kind_does_wrong_is_said(kind: Kind, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_kind(kind, TEXTS)


def test_one_item_is_not_enough() -> None:
    with pytest.raises(AssertionError, match="1 items given, expected at least two that differ"):
        check_kind(TextKind(), ["no effusion"])
