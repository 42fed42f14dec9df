"""What each kind says of its items."""

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from closegap.errors import DataError
from closegap.files import digest
from closegap.kinds import CodesKind, ImageKind, Kind, Place, RecordKind, TextKind
from closegap.kinds.decoding import load_image
from closegap.kinds.names import kind_at, kind_names, name_of, own_kind

KINDS: Mapping[str, Kind] = {"image": ImageKind(), "text": TextKind(), "codes": CodesKind(), "record": RecordKind()}
EVIL = "<script>alert(1)</script>\"'&"


@dataclass(frozen=True)
class Drawn:
    """An image that is no file."""

    level: int

    def open(self) -> Image.Image:
        return Image.new("L", (8, 6), self.level)

    def fingerprint(self) -> bytes:
        return str(self.level).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    Image.effect_noise((40, 30), 60).save(path)
    return path


def test_short_names_are_those_of_modules() -> None:
    expected = ["audio", "codes", "dicom", "events", "image", "record", "signal", "text", "video"]
    assert sorted(kind_names()) == expected
    for name, kind in KINDS.items():
        assert type(kind_at(name)) is type(own_kind(name)) is type(kind)
        assert type(kind_at(f"closegap.kinds.{type(kind).__name__}")) is type(kind)
        assert name_of(kind) == name


@pytest.mark.parametrize(
    "name", ["txt", "base", "Kind", "os.path", "os.path.join", "nowhere.Kind", "closegap.kinds.Kind"]
)
def test_what_is_no_kind_is_said(name: str) -> None:
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        kind_at(name)


def test_what_is_no_kind_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("closegap.files.digest", lambda: called.append("digest"))
    with pytest.raises(ValueError, match=r"'closegap\.files\.digest' is no kind"):
        kind_at("closegap.files.digest")
    assert not called


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_kinds_travel_to_workers(kind: Kind) -> None:
    assert type(pickle.loads(pickle.dumps(kind))) is type(kind)  # noqa: S301


# Texts, codes, records

SOUND: list[tuple[str, Any]] = [
    ("text", " Clear lungs.\n☃ \ud800"),
    ("codes", ("C1", "C2", "ü")),
    ("record", {"sex": None, "age": 64.0, "note": "a, b", "count": 3}),
]


@pytest.mark.parametrize(("name", "item"), SOUND)
def test_packed_items_come_back(name: str, item: Any) -> None:
    kind = KINDS[name]
    assert kind.problem(item) is None
    packed = kind.pack(item)
    assert kind.unpack(packed) == item
    assert type(kind.unpack(packed)) is type(item)
    assert kind.suffix(packed) in (".txt", ".json")
    assert kind.place(item) is None


@pytest.mark.parametrize(("name", "item"), SOUND)
def test_fingerprints_are_the_items_as_json(name: str, item: Any) -> None:
    expected = sorted(item.items()) if name == "record" else item
    assert KINDS[name].fingerprint(item) == json.dumps(expected).encode()


@pytest.mark.parametrize(
    ("name", "item", "problem"),
    [
        ("text", {"age": 3}, "expected a text, found a dict"),
        ("text", Path("a.png"), "expected a text, found a PosixPath"),
        ("text", " \n", "expected a text, found a blank one"),
        ("codes", "C1;C2", "found a str"),
        ("codes", {"C1": 1}, "found a dict"),
        ("codes", ("C1", 2), "expected codes that are strings, found a int"),
        ("codes", (), "expected codes, found none"),
        ("record", "age 3", "found a str"),
        ("record", {"age": [3]}, "column 'age': expected a number, a text or None, found a list"),
        ("record", {"age": float("inf")}, "column 'age': expected a finite number, found inf"),
        ("image", 3, "expected the path of an image, or an image, found a int"),
    ],
)
def test_what_cannot_be_used(name: str, item: Any, problem: str) -> None:
    assert problem in str(KINDS[name].problem(item))


def test_texts_are_shown_cut_and_said_on_one_line() -> None:
    kind = TextKind()
    assert kind.show("Clear.") == "<p>Clear.</p>"
    assert len(kind.show("word " * 400)) < 1300
    assert "…" in kind.show("word " * 400)
    assert kind.text(" two\n lines ") == "two lines"


def test_codes_in_a_cell_are_one_set() -> None:
    assert CodesKind().read("C1; C2;;C1 ", Path()) == ("C1", "C2")
    assert CodesKind("|").read("C1|C2", Path()) == ("C1", "C2")
    assert CodesKind().views([("C1",), ("C2", "C1")]) == (("C1", "C2"),)
    assert CodesKind().views([]) == ()
    assert CodesKind().concepts(("C1", "C2")) == ("C1", "C2")


def test_records_are_shown_without_their_blanks() -> None:
    assert RecordKind().text({"age": 64.0, "sex": None, "smoking": "never", "n": 2}) == "age 64, smoking never, n 2"


@pytest.mark.parametrize(
    ("name", "item"), [("text", EVIL), ("text", EVIL * 9), ("codes", (EVIL,)), ("record", {EVIL: EVIL})]
)
def test_what_is_shown_is_inert(name: str, item: Any) -> None:
    html = str(KINDS[name].show(item))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert EVIL[-3:-1] not in html


# Images


def test_images_are_paths_pil_images_or_sources(file: Path) -> None:
    kind = ImageKind()
    assert kind.parse(str(file)) == kind.parse(file) == file
    with Image.open(file) as image:
        for item in (file, image, Drawn(3)):
            assert kind.problem(kind.parse(item)) is None
    assert kind.place(file) == Place(file)
    assert kind.place(Drawn(3)) is None
    assert kind.text(file) == ""
    with pytest.raises(DataError, match="expected the path of an image, or an image, found a list"):
        kind.parse([1])


def test_a_damaged_image_is_said(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])
    assert f"{file}: damaged or truncated image" in str(ImageKind().problem(file))
    assert ImageKind().problem(file.with_name("b.png")) == f"{file.with_name('b.png')}: no such image"


def test_a_cell_holds_a_path_and_no_caption(tmp_path: Path) -> None:
    assert ImageKind().read("im/a.png", tmp_path) == tmp_path / "im" / "a.png"
    with pytest.raises(DataError, match=r"expected the path of an image, found 400 characters \('word word"):
        ImageKind().read("word " * 80, tmp_path)


def test_fingerprints_of_images_are_their_content(file: Path) -> None:
    kind = ImageKind()
    assert digest(kind.fingerprint(file)) == digest(file.read_bytes())
    assert kind.fingerprint(Drawn(3)) == b"3"
    black, white = Image.new("L", (4, 4)), Image.new("L", (4, 4), 255)
    assert kind.fingerprint(black) == kind.fingerprint(black.copy()) != kind.fingerprint(white)
    assert kind.fingerprint(Image.new("L", (2, 8))) != kind.fingerprint(black)


def test_files_keep_their_bytes_and_rendered_images_become_png(file: Path) -> None:
    kind = ImageKind()
    assert kind.pack(file) == file.read_bytes()
    assert kind.suffix(kind.pack(file)) == ".jpg"
    for item in (file, Drawn(7), Image.new("CMYK", (5, 5)), Image.new("I;16", (5, 5), 300)):
        found = kind.unpack(kind.pack(item))
        assert np.array_equal(np.asarray(found), np.asarray(load_image(item)))
    assert kind.suffix(kind.pack(Drawn(7))) == ".png"


def test_a_turned_image_is_packed_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    Image.linear_gradient("L").resize((20, 10)).save(buffer, "JPEG", exif=exif)
    image = Image.open(buffer)
    assert ImageKind().unpack(ImageKind().pack(image)).size == (10, 20)


def test_an_image_is_shown_as_a_small_jpeg(tmp_path: Path) -> None:
    path = tmp_path / f"{EVIL.replace('/', '')}.png"
    Image.new("L", (300, 500)).save(path)
    html = str(ImageKind().show(path))
    assert html.startswith('<img alt="" src="data:image/jpeg;base64,')
    assert "script" not in html
    assert max(load_image(path).size) == 500


def test_a_kind_is_named_without_the_extras_of_others() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['av', 'soundfile', 'pydicom', 'PIL']))\n"
        "from closegap.kinds import CodesKind\n"
        "from closegap.kinds.names import kind_names, name_of, own_kind\n"
        "print(name_of(CodesKind()), name_of(own_kind('text')), {'audio', 'dicom', 'video'} <= set(kind_names()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("codes text True\n", "")
