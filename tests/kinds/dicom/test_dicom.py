"""A DICOM file is an image to whatever takes images, and its tags stay in it."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import UID
from tests.kinds.dicom.test_picture import NO_PICTURE, RAMP, grey, shown

from closegap.data import Checks, Columns, Manifest, Shards, load_cases, write_shards
from closegap.errors import UsageError
from closegap.kinds import DicomKind
from closegap.kinds.decoding import load_image
from closegap.kinds.dicom.dicom import PRESETS
from closegap.kinds.dicom.windowing import Window
from closegap.runs.check_kinds import check_kinds

NAME, NUMBER = "Zwetschgenbaum^Ottilie", "PAT-9182736"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.dcm"
    values = np.stack([RAMP + 10 * i for i in range(20)]).astype(np.int16)
    tags: dict[str, Any] = {
        "Modality": "CT",
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        "WindowCenter": 0,
        "WindowWidth": 100,
    }
    dataset = grey(values, 16, PatientName=NAME, PatientID=NUMBER, **tags)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.save_as(path, enforce_file_format=True)
    return path


def seen(kind: DicomKind, path: Path) -> np.ndarray:
    return np.asarray(load_image(kind.parse(str(path))))[..., 0]


def test_settings_choose_the_frame_and_the_window(file: Path) -> None:
    dataset = dcmread(file)
    assert np.array_equal(seen(DicomKind(), file), shown(dataset, 10))
    assert np.array_equal(seen(DicomKind(frame=3), file), shown(dataset, 3))
    for name, (centre, width) in PRESETS.items():
        expected = Window(centre, width).levels(RAMP + 30).astype(np.uint8)
        assert np.array_equal(seen(DicomKind(3, name), file), expected)
    dataset.Modality = "MR"
    dataset.save_as(file)
    assert np.array_equal(seen(DicomKind(3, "lung"), file), shown(dataset, 3))


def test_a_montage_shows_frames_from_the_first_to_the_last(file: Path) -> None:
    found, dataset = seen(DicomKind("montage"), file), dcmread(file)
    height, width = RAMP.shape
    assert found.shape == (4 * height, 4 * width)
    for tile in range(16):
        top, left = tile // 4 * height, tile % 4 * width
        frame = round(tile * 19 / 15)
        assert np.array_equal(found[top : top + height, left : left + width], shown(dataset, frame))


@pytest.mark.parametrize("settings", [{"frame": -1}, {"frame": "last"}, {"frame": True}, {"window": "feet"}])
def test_settings_that_there_are_not(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"given, expected"):
        DicomKind(**settings)


def test_what_leaves_it_holds_no_tag(file: Path) -> None:
    kind, item = DicomKind(), DicomKind().parse(file)
    for written in (kind.pack(item), kind.fingerprint(item), str(kind.show(item)).encode(), pickle.dumps(item)):
        assert not re.search(b"Zwetschgenbaum|Ottilie|9182736", written)
    assert kind.suffix(kind.pack(item)) == ".png"
    assert np.array_equal(np.asarray(kind.unpack(kind.pack(item))), np.asarray(load_image(item)))
    place = kind.place(item)
    assert place is not None
    assert place.file == file
    assert place.part != DicomKind(3).parse(file).place().part  # type: ignore[union-attr]  # an item that has one
    assert kind.fingerprint(item) != DicomKind(3).fingerprint(DicomKind(3).parse(file))


def test_a_manifest_of_files_becomes_shards_of_pictures(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("id,split,film,report\n1,train,a.dcm,clear\n", encoding="utf-8")
    columns = {"film": Columns(DicomKind(frame=3), ["film"]), "report": Columns("text", ["report"])}
    found = load_cases(Manifest(tmp_path / "cases.csv", columns), Checks(), ["film", "report"])
    write_shards(found.splits["train"], found.kinds, tmp_path / "shards", 2**20)
    shards = load_cases(Shards(tmp_path / "shards"), Checks(), ["film", "report"])
    (case,) = shards.splits["train"]
    assert isinstance(shards.kinds["film"], DicomKind)
    assert np.array_equal(np.asarray(load_image(case.views["film"][0]))[..., 0], shown(dcmread(file), 3))
    for written in (tmp_path / "shards").rglob("*"):
        assert not written.is_file() or not re.search(b"Zwetschgenbaum|9182736", written.read_bytes())


def test_a_tower_of_images_takes_it() -> None:
    from closegap.models import SmallImageEncoder

    check_kinds({"film": DicomKind()}, {"film": SmallImageEncoder()})


def test_what_is_wrong_is_one_line_without_a_tag(file: Path, tmp_path: Path) -> None:
    kind = DicomKind(frame=20)
    assert kind.problem(kind.parse(file)) == f"{file}: no frame 20, it has 20, counted from 0"
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "noise.dcm").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "short.dcm").write_bytes(file.read_bytes()[:-3000])
    Image.new("L", (4, 4)).save(tmp_path / "picture.dcm", "PNG")
    for name in ("empty", "noise", "short", "picture", "absent"):
        found = DicomKind().problem(tmp_path / f"{name}.dcm")
        assert found is not None, name
        assert found.startswith(f"{tmp_path / name}.dcm: "), found
        assert "\n" not in found
        assert len(found) < 300
        assert "Zwetschgenbaum" not in found


def test_real_files_are_shown_or_refused(shared: Path) -> None:
    files = sorted((shared / "data/dicom/files").glob("*.dcm"))
    refused = {file.name for file in files if DicomKind().problem(DicomKind().parse(file)) is not None}
    assert refused >= NO_PICTURE.keys()
    assert len(files) == 94
    assert len(refused) <= len(NO_PICTURE) + 2
