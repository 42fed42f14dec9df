"""ROCO's raw layout, with its quirks and what can be wrong with it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from closegap.data import BrokenRow, Case, Checks, Roco, load_cases
from closegap.data.readers.imaging import imaging_method
from closegap.errors import ClosegapWarning, DataError, UsageError
from closegap.testing import check_source


def cases(source: Roco) -> dict[str, Case]:
    return {row.id: row for row in source.rows() if isinstance(row, Case)}


def captions(root: Path, split: str = "train") -> Path:
    return root / "data" / split / "radiology" / "captions.txt"


def test_a_row_with_all_its_quirks(small_roco: Path) -> None:
    source = Roco(small_roco)
    assert source.modalities == ("image", "caption", "concepts")
    found = cases(source)
    assert len(found) == 12
    assert found["ROCO_00002"] == Case(
        id="ROCO_00002",
        split="train",
        group="PMC102",
        views={
            "image": (small_roco / "data/train/radiology/images/ROCO_00002.jpg",),
            "caption": ("Chest CT of patient 02",),
            "concepts": (("C0000002", "C0000009"),),
        },
        labels={"imaging": "CT", "semantic_type": "Neoplastic Process"},
        concepts=("C0000002", "C0000009"),
    )


def test_a_row_without_concepts_lacks_the_modality(small_roco: Path) -> None:
    row = cases(Roco(small_roco))["ROCO_00000"]
    assert set(row.views) == {"image", "caption"}
    assert row.concepts == ()


def test_the_data_folder_itself_may_be_named(small_roco: Path) -> None:
    assert cases(Roco(small_roco / "data")) == cases(Roco(small_roco))


def test_the_other_kind(small_roco: Path) -> None:
    folder = small_roco / "data" / "train" / "radiology"
    folder.rename(folder.parent / "non-radiology")
    assert {row.split for row in cases(Roco(small_roco, kind="non-radiology")).values()} == {"train"}


def test_images_named_by_article_and_figure(small_roco: Path) -> None:
    """As ROCO's own download script names them."""
    images = small_roco / "data/train/radiology/images"
    (images / "ROCO_00003.jpg").rename(images / "PMC103_f1.jpg")
    assert cases(Roco(small_roco))["ROCO_00003"].views["image"] == (images / "PMC103_f1.jpg",)


def test_without_images_text_and_concepts_are_left(small_roco: Path) -> None:
    for folder in small_roco.glob("data/*/radiology/images"):
        shutil.rmtree(folder)
    assert Roco(small_roco).modalities == ("caption", "concepts")
    assert "image" not in cases(Roco(small_roco))["ROCO_00002"].views


def test_articles_come_from_the_links_where_licences_are_absent(small_roco: Path) -> None:
    before = {row.id: row.group for row in cases(Roco(small_roco)).values()}
    for file in small_roco.glob("data/*/radiology/licences.txt"):
        file.unlink()
    assert {row.id: row.group for row in cases(Roco(small_roco)).values()} == before
    for file in small_roco.glob("data/*/radiology/dlinks.txt"):
        file.unlink()
    with pytest.warns(ClosegapWarning, match="figures of one article cannot be kept together"):
        assert all(row.group == row.id for row in cases(Roco(small_roco)).values())


def test_licences_are_a_filter(small_roco: Path) -> None:
    found = cases(Roco(small_roco, licences=["CC BY"]))
    assert sorted(found) == [f"ROCO_{number:05d}" for number in range(0, 12, 2)]
    assert not list(Roco(small_roco, licences=["CC0"]).rows())
    (small_roco / "data/train/radiology/licences.txt").unlink()
    with pytest.raises(DataError, match=r"licences\.txt: no such file, but licences are asked for"):
        list(Roco(small_roco, licences=["CC BY"]).rows())


def test_folders_under_other_names(small_roco: Path) -> None:
    found = cases(Roco(small_roco, splits={"train": "validation", "test": "test"}))
    assert {row.id: row.split for row in found.values()} == {
        "ROCO_00008": "train",
        "ROCO_00009": "train",
        "ROCO_00010": "test",
        "ROCO_00011": "test",
    }


def test_carved_validation_keeps_articles_together(small_roco: Path) -> None:
    splits = {"train": "train", "test": "test"}
    seen = set()
    for seed in range(20):
        source = Roco(small_roco, splits=splits, validation_fraction=0.4, seed=seed)
        found = cases(source)
        assert found == cases(source)
        assert found["ROCO_00000"].split == found["ROCO_00001"].split  # one article
        assert all(found[key].split == "test" for key in ("ROCO_00010", "ROCO_00011"))
        seen.add(tuple(row.split for row in found.values()))
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (b"\t A caption\n", "no id", "found no id"),
        (b"ROCO_00001\t  \n", "empty caption", "'ROCO_00001' has no caption"),
        (b"ROCO_00001\n", "empty caption", "'ROCO_00001' has no caption"),
        (b"\n", "no id", "expected an id, a tab and a caption"),
        (b"ROCO_00001\tcaf\xe9\n", "not UTF-8", "save the file as UTF-8"),
        (b"ROCO_00000\tAgain\n", "duplicate id", "'ROCO_00000' is taken by .*row 1"),
    ],
)
def test_broken_rows(small_roco: Path, text: bytes, reason: str, message: str) -> None:
    file = captions(small_roco)
    file.write_bytes(b"ROCO_00000\t Chest CT\r\n" + text + b"ROCO_00002\t Line\xe2\x80\xa8separator and \xc2\x85\n")
    rows = list(Roco(small_roco).rows())
    broken = [row for row in rows if isinstance(row, BrokenRow)]
    assert [(row.reason, row.where) for row in broken] == [(reason, f"{file}, row 2")]
    assert re.search(message, broken[0].message)
    assert [row.id for row in rows if isinstance(row, Case) and row.split == "train"] == ["ROCO_00000", "ROCO_00002"]


def test_an_id_in_two_splits_is_a_duplicate(small_roco: Path) -> None:
    file = captions(small_roco, "test")
    file.write_text(file.read_text() + "ROCO_00001\t Again\n")
    with pytest.raises(DataError, match=r"test/radiology/captions\.txt, row 3: id 'ROCO_00001' is taken by .*train"):
        load_cases(Roco(small_roco))


def test_a_byte_order_mark_is_no_part_of_the_first_id(small_roco: Path) -> None:
    captions(small_roco).write_bytes(b"\xef\xbb\xbfROCO_00001\t Chest CT\n")
    assert "ROCO_00001" in cases(Roco(small_roco))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda root: shutil.rmtree(root), DataError, "roco: no such folder; expected ROCO's"),
        (lambda root: captions(root).unlink(), DataError, r"train/radiology: expected captions\.txt in it"),
        (lambda root: shutil.rmtree(root / "data"), DataError, "expected train/radiology/, validation/radiology/"),
    ],
)
def test_unusable_folders(
    small_roco: Path, spoil: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    spoil(small_roco)
    with pytest.raises(error, match=message) as caught:
        load_cases(Roco(small_roco))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"splits": {"learn": "train"}}, UsageError, "'learn' is no split of ours"),
        ({"splits": {"train": "test", "test": "test"}}, UsageError, "one folder for two splits"),
        ({"splits": {"train": "fold1"}}, DataError, "fold1/radiology: no such folder; splits names it"),
        ({"validation_fraction": 0.1}, UsageError, "needs a train split and no validation split"),
        (
            {"validation_fraction": 1.0},
            UsageError,
            "Roco.validation_fraction: 1.0 given, expected a number from 0 to below 1",
        ),
    ],
)
def test_options_that_make_no_sense(
    small_roco: Path, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_cases(Roco(small_roco, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caption", "method"),
    [
        ("Anteroposterior radiograph of the pelvis", "radiography"),
        ("Chest X-Ray on admission, CT later", "radiography"),
        ("CXR", "radiography"),
        ("Contrast-enhanced computed tomography", "CT"),
        ("CECT abdomen", "CT"),
        ("PET/CT shows uptake", "PET"),
        ("Axial T2-weighted image", "MRI"),
        ("MRCP showing the bile duct", "MRI"),
        ("Magnetic resonance angiography", "MRI"),
        ("Coronary angiogram", "angiography"),
        ("Transthoracic echocardiogram", "ultrasound"),
        ("Endosonography of the pancreas", "ultrasound"),
        ("Screening mammogram", "mammography"),
        ("Barium swallow", "fluoroscopy"),
        ("Micturating cystourethrogram", "fluoroscopy"),
        ("Bone scan", "scintigraphy"),
        ("The rectum in octagonal direction, us and them", ""),
        ("A photograph of the specimen", ""),
    ],
)
def test_imaging_method(caption: str, method: str) -> None:
    assert imaging_method(caption) == method


def test_roco_4_6k(shared: Path) -> None:
    found = load_cases(Roco(shared / "data" / "roco"))
    assert found.modalities == ("image", "caption", "concepts")
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 3703, "validation": 463, "test": 473}
    assert found.counts == {}
    everything = [case for held in found.splits.values() for case in held]
    # 77 + 14 + 17 lines without a CUI less the three empty last lines
    assert sum("concepts" not in case.views for case in everything) == 105
    assert len({case.group for case in everything}) == 4231
    assert all(caption == caption.strip() != "" for case in everything for caption in case.views["caption"])
    named = sum(case.labels["imaging"] != "" for case in everything) / len(everything)
    assert named > 0.7


def test_roco_4_6k_by_licence(shared: Path) -> None:
    found = load_cases(Roco(shared / "data" / "roco", licences=["CC BY", "CC0"]), Checks(verify=False))
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 2074, "validation": 264, "test": 282}


def test_roco_text_leaks_as_published(shared: Path) -> None:
    """ROCO's validation and test splits share 1,195 articles."""
    source = Roco(shared / "data" / "roco_text", splits={"train": "validation", "test": "test"})
    with pytest.raises(DataError, match=r"group 'PMC\d+' is in train and test \(1195 such groups\)"):
        load_cases(source)
    found = load_cases(source, Checks(leaks="drop"), ["caption", "concepts"])
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 6750, "test": 8179}
    assert found.counts == {"group in two splits": 1430}
    assert not {case.group for case in found.split("train")} & {case.group for case in found.split("test")}


def test_roco_text_with_a_carved_validation_split(shared: Path) -> None:
    splits = {"train": "validation", "test": "test"}
    source = Roco(shared / "data" / "roco_text", splits=splits, validation_fraction=0.1)
    found = load_cases(source, Checks(leaks="drop"))
    assert found.counts == {"group in two splits": 1430}
    assert len(found.split("train")) + len(found.split("validation")) == 6750
    assert 0.07 < len(found.split("validation")) / 6750 < 0.13


def test_it_holds_to_what_every_source_must(small_roco: Path) -> None:
    captions(small_roco).write_text(captions(small_roco).read_text() + "ROCO_77777\t \n")  # a broken row
    check_source(Roco(small_roco))
