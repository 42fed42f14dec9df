"""ROCOv2 in Zenodo's layout and as a hub's Parquet files."""

import importlib.util
import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from closegap.data import BrokenRow, Case, Checks, RocoV2, load_cases
from closegap.data.readers.embedded_image import EmbeddedImage
from closegap.errors import ClosegapWarning, DataError, MissingExtraError, UsageError
from closegap.kinds import ImageSource
from closegap.kinds.decoding import load_image
from closegap.testing import check_source

Picture = Callable[[Path, int], Path]
NO_ARTICLES = pytest.mark.filterwarnings("ignore:.*license_information.csv.*:closegap.errors.ClosegapWarning")


@pytest.fixture
def zenodo(tmp_path: Path, picture: Picture) -> Path:
    root = tmp_path / "rocov2"
    root.mkdir()
    licences = ["ID,PMCID,Attribution,Link\n"]
    for split in ("train", "valid", "test"):
        keys = [f"ROCOv2_2023_{split}_{number:06d}" for number in (1, 2, 3)]
        (root / f"{split}_captions.csv").write_text(
            "ID,Caption\n" + "".join(f'{key},"CT of {key[-1]}, axial"\n' for key in keys)
        )
        (root / f"{split}_concepts.csv").write_text(f"ID,CUIs\n{keys[0]},C0040405;C0000001\n{keys[1]},\n")
        (root / f"{split}_concepts_manual.csv").write_text(f"ID,CUIs\n{keys[2]},C0040405\n")
        licences += [f'{key},PMC{split}{min(int(key[-1]), 2)},"CC BY [A, B]",https://x\n' for key in keys]
        for key in keys:
            picture(root / f"{split}_images" / split / f"{key}.jpg", int(key[-1]))
    digits = {"train": "1", "valid": "2", "test": "3"}
    text = "".join(licences)
    for split, digit in digits.items():
        text = text.replace(f"PMC{split}", f"PMC{digit}")
    (root / "license_information.csv").write_text(text)
    return root


def encoded(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), number).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    root = tmp_path / "hub"
    (root / "data").mkdir(parents=True)
    for split, count in {"train": 250, "validation": 2, "test": 3}.items():
        rows = [
            {
                "image": {"bytes": encoded(number % 256), "path": None},
                "image_id": f"ROCOv2_2023_{split}_{number:06d}",
                "caption": f"MRI number {number}",
                "cui": ["C0024485", "C0024485", "C1"] if number % 2 else [],
            }
            for number in range(count)
        ]
        pq.write_table(pa.Table.from_pylist(rows), root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def test_zenodos_layout(zenodo: Path) -> None:
    found = load_cases(RocoV2(str(zenodo)))
    assert found.modalities == ("image", "caption", "concepts")
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 3, "validation": 3, "test": 3}
    first, second, third = found.split("validation")
    assert first == Case(
        id="ROCOv2_2023_valid_000001",
        split="validation",
        group="PMC21",
        views={
            "image": (zenodo / "valid_images" / "valid" / "ROCOv2_2023_valid_000001.jpg",),
            "caption": ("CT of 1, axial",),
            "concepts": (("C0040405", "C0000001"),),
        },
        labels={"imaging": "CT"},
        concepts=("C0040405", "C0000001"),
    )
    assert "concepts" not in second.views
    assert "concepts" not in third.views
    assert second.group == third.group == "PMC22"


@pytest.mark.parametrize("place", ["train", "train_images"])
def test_images_wherever_the_archive_was_unpacked(zenodo: Path, place: str) -> None:
    for split in ("train", "valid", "test"):
        (zenodo / f"{split}_images" / split).rename(zenodo / "moved")
        (zenodo / f"{split}_images").rmdir()
        (zenodo / "moved").rename(zenodo / place.replace("train", split))
    (image,) = load_cases(RocoV2(str(zenodo))).split("train")[0].views["image"]
    assert image.parent == zenodo / place


def test_manual_concepts(zenodo: Path) -> None:
    cases = load_cases(RocoV2(str(zenodo), manual_concepts=True)).split("test")
    assert [case.concepts for case in cases] == [(), (), ("C0040405",)]


def test_without_articles_a_warning(zenodo: Path) -> None:
    (zenodo / "license_information.csv").unlink()
    with pytest.warns(ClosegapWarning, match="figures of one article cannot be kept together"):
        cases = load_cases(RocoV2(str(zenodo))).split("train")
    assert [case.group for case in cases] == [case.id for case in cases]


def test_broken_rows(zenodo: Path) -> None:
    file = zenodo / "test_captions.csv"
    file.write_text("ID,Caption\na,CT\nb, \n,CT\na,MRI\nc\n")
    rows = [row for row in RocoV2(str(zenodo)).rows() if isinstance(row, BrokenRow)]
    assert [(row.reason, row.where) for row in rows] == [
        ("empty caption", f"{file}, line 3"),
        ("no id", f"{file}, line 4"),
        ("duplicate id", f"{file}, line 5"),
        ("wrong number of fields", f"{file}, line 6"),
    ]


def test_a_split_whose_images_are_missing(zenodo: Path) -> None:
    (zenodo / "test_images").rename(zenodo / "elsewhere")
    with pytest.raises(DataError, match="3 of 9 rows are broken: image missing 3"):
        load_cases(RocoV2(str(zenodo)))


def test_a_column_that_is_missing(zenodo: Path) -> None:
    (zenodo / "train_captions.csv").write_text("ID,Text\na,CT\n")
    with pytest.raises(DataError, match=r"train_captions\.csv: expected a column 'Caption', found 'ID', 'Text'"):
        load_cases(RocoV2(str(zenodo)))


def test_no_such_folder_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: no such folder; expected ROCOv2's"):
        load_cases(RocoV2(str(tmp_path / "gone")))
    with pytest.raises(DataError, match=r"expected train_captions\.csv, .* or Parquet files .*, found neither"):
        load_cases(RocoV2(str(tmp_path)))


@NO_ARTICLES
@pytest.mark.parametrize("below", ["", "data"])
def test_parquet(parquet: Path, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "memory"))
    calls: list[tuple[int, int]] = []
    found = load_cases(RocoV2(str(parquet / below)), progress=lambda done, total: calls.append((done, total)))
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 250, "validation": 2, "test": 3}
    assert len(calls) == 255
    for number in (0, 99, 100, 249):  # first, and either side of a batch's end
        case = found.split("train")[number]
        assert case.id == f"ROCOv2_2023_train_{number:06d}"
        assert case.concepts == (("C0024485", "C1") if number % 2 else ())
        assert ("concepts" in case.views) == (number % 2 == 1)
        (image,) = case.views["image"]
        assert isinstance(image, ImageSource)
        assert np.asarray(load_image(pickle.loads(pickle.dumps(image))))[0, 0].tolist() == [number] * 3  # noqa: S301
    images = [case.views["image"][0] for case in found.split("train")]
    assert len({image.fingerprint() for image in images}) == 250
    load_cases(RocoV2(str(parquet / below)), progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == 255  # nothing was copied or decoded again


@NO_ARTICLES
def test_a_broken_image_in_parquet(parquet: Path) -> None:
    rows = [
        {"image": {"bytes": encoded(1)[:-30]}, "image_id": "a", "caption": "MRI", "cui": []},
        {"image": None, "image_id": "b", "caption": "MRI", "cui": None},
        {"image": {"bytes": encoded(1)}, "image_id": "c", "caption": None, "cui": []},
    ]
    pq.write_table(pa.Table.from_pylist(rows), parquet / "data" / "test-00000-of-00001.parquet")
    found = load_cases(RocoV2(str(parquet)), Checks(on_error="skip"))
    assert found.counts == {"image unreadable": 2, "empty caption": 1}
    assert "test" not in found.splits


@NO_ARTICLES
def test_damaged_parquet(parquet: Path) -> None:
    file = parquet / "data" / "test-00000-of-00001.parquet"
    file.write_bytes(b"PAR1" + b"\0" * 50)
    with pytest.raises(DataError, match=r"test-00000-of-00001\.parquet: not a Parquet file, or a damaged one"):
        load_cases(RocoV2(str(parquet)))


def test_damaged_arrow(tmp_path: Path) -> None:
    (tmp_path / "x.arrow").write_bytes(b"no arrow")
    with pytest.raises(DataError, match=r"x\.arrow: not an Arrow stream"):
        EmbeddedImage(tmp_path / "x.arrow", 0, 0).open()


def test_manual_concepts_are_not_in_parquet(parquet: Path) -> None:
    with pytest.raises(UsageError, match="manual concepts come with Zenodo's CSV files only"):
        load_cases(RocoV2(str(parquet), manual_concepts=True))


def test_a_hub_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"datasets is not installed; pip install 'closegap\[hub\]'"):
        load_cases(RocoV2("hub:somebody/rocov2"))


@NO_ARTICLES
@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="the extra hub is not installed")
def test_what_the_hubs_library_loads(parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes a local folder for a hub's data set, and does the same with it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = load_cases(RocoV2(f"hub:{parquet}"))
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 250, "validation": 2, "test": 3}
    (image,) = found.split("train")[249].views["image"]
    assert np.asarray(load_image(image))[0, 0].tolist() == [249] * 3
    with pytest.raises(DataError, match=r"hub:.*cannot be fetched"):
        load_cases(RocoV2(f"hub:{tmp_path}/nothing"))


@NO_ARTICLES
@pytest.mark.parametrize("layout", ["zenodo", "parquet"])
def test_it_holds_to_what_every_source_must(layout: str, request: pytest.FixtureRequest) -> None:
    check_source(RocoV2(str(request.getfixturevalue(layout))))
