"""MIMIC-CXR and MIMIC-CXR-JPG on a generated folder with the published names."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from closegap.data import BrokenRow, Case, MimicCxr, load_cases
from closegap.data.readers.sections import sections
from closegap.errors import DataError, UsageError
from closegap.testing import check_source

Picture = Callable[[Path, int], Path]
_METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
_CHEXPERT = (
    "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
_REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with cough  // eval for pneumonia

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  None.

 FINDINGS:

 There is no focal consolidation in {},
 pleural effusion or pneumothorax: none.

 IMPRESSION:

 No acute cardiopulmonary process.
"""
_STUDIES = {
    "50414267": ("10000032", "train"),
    "50578979": ("10000032", "train"),
    "51": ("11000011", "validate"),
    "52": ("19999987", "test"),
}


def table(path: Path, lines: list[str]) -> None:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def root(tmp_path: Path, picture: Picture) -> Path:
    folder = tmp_path / "mimic-cxr-jpg"
    splits, metadata, labels = ["dicom_id,study_id,subject_id,split"], [_METADATA], [_CHEXPERT]
    for number, (study, (subject, split)) in enumerate(_STUDIES.items()):
        files = folder / "files" / f"p{subject[:2]}" / f"p{subject}"
        for view, position in enumerate(("PA", "LATERAL")):
            name = f"02aa804e-bde0afdd-112c0b34-7bc16630-4e3840{number}{view}"
            picture(files / f"s{study}" / f"{name}.jpg", 2 * number + view)
            splits.append(f"{name},{study},{subject},{split}")
            taken = f"CHEST (PA AND LAT),{position},3056,2544,21800506,213014.531,x,y,Erect"
            metadata.append(f"{name},{subject},{study},{taken}")
        (files / f"s{study}.txt").write_text(_REPORT.format(number))
        labels.append(f"{subject},{study},1.0,,0.0,-1.0,,,,,,1.0,,,,")
    for name, lines in {"split": splits, "metadata": metadata, "chexpert": labels}.items():
        table(folder / f"mimic-cxr-2.0.0-{name}.csv.gz", lines)
    return folder


def test_a_study_with_all_that_is_published(root: Path) -> None:
    source = MimicCxr(root)
    check_source(source)
    assert source.modalities == ("image", "findings", "impression", "labels")
    cases = load_cases(source)
    assert {split: len(held) for split, held in cases.splits.items()} == {"train": 2, "validation": 1, "test": 1}
    case = cases.split("train")[0]
    assert (case.id, case.group, len(case.views["image"])) == ("50414267", "10000032", 2)
    said = "There is no focal consolidation in 0, pleural effusion or pneumothorax: none."
    assert (case.views["findings"], case.views["impression"]) == ((said,), ("No acute cardiopulmonary process.",))
    assert case.views["labels"] == (("Atelectasis", "Pleural Effusion"),) == (case.concepts,)
    labels = {name: case.labels[name] for name in ("atelectasis", "edema", "consolidation", "lung_lesion")}
    assert labels == {"atelectasis": "positive", "edema": "uncertain", "consolidation": "negative", "lung_lesion": ""}


def test_views_are_chosen_by_the_metadata(root: Path) -> None:
    cases = [row for row in MimicCxr(root, views=["PA", "AP"]).rows() if isinstance(row, Case)]
    assert [len(case.views["image"]) for case in cases] == [1] * 4
    (root / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    with pytest.raises(DataError, match=r"expected mimic-cxr-2.0.0-metadata.csv.gz in it, to choose views by"):
        list(MimicCxr(root, views=["PA"]).rows())
    with pytest.raises(UsageError, match="views: none given"):
        MimicCxr(root, views=[])


def test_reports_lie_elsewhere_or_nowhere(root: Path, tmp_path: Path) -> None:
    reports = tmp_path / "mimic-cxr-reports"
    for path in list(root.rglob("*.txt")):
        (reports / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, reports / path.relative_to(root))
    broken = [row for row in MimicCxr(root).rows() if isinstance(row, BrokenRow)]
    assert {row.reason for row in broken} == {"report missing"}
    assert "unpack mimic-cxr-reports.zip there, or name its folder with reports" in broken[0].message
    assert load_cases(MimicCxr(root, reports=reports)).split("test")[0].views["impression"]
    assert MimicCxr(root, texts=False).modalities == ("image", "labels")
    assert set(load_cases(MimicCxr(root, texts=False)).split("test")[0].views) == {"image", "labels"}


def test_dicom_files_of_mimic_cxr(root: Path) -> None:
    rows = [row for row in MimicCxr(root, images="dicom").rows() if isinstance(row, Case)]
    assert repr(rows[0].views["image"][0]).endswith(
        "/p10000032/s50414267/02aa804e-bde0afdd-112c0b34-7bc16630-4e384000.dcm"
    )


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        (",1,2,train", "no id", "column 'dicom_id' holds no id"),
        ("../../x,1,2,train", "no id", "column 'dicom_id' holds no id"),
        ("a,1,2,val", "unknown split", "split 'val', expected train, validate, test"),
        ("a,50414267,3,train", "views disagree", "its study has another patient or split in"),
        ("a,1", "wrong number of fields", "found 2 fields, expected 4"),
    ],
)
def test_what_is_wrong_with_a_row(row: str, reason: str, message: str, root: Path) -> None:
    path = root / "mimic-cxr-2.0.0-split.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    table(path, [*lines, row])
    broken = [found for found in MimicCxr(root).rows() if isinstance(found, BrokenRow)]
    assert [(found.reason, found.where) for found in broken] == [(reason, f"{path}, line 10")]
    assert message in broken[0].message


def test_what_is_wrong_with_all_of_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected mimic-cxr-2.0.0-split.csv.gz in it"):
        list(MimicCxr(tmp_path).rows())
    (root / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read on"):
        list(MimicCxr(root).rows())


def test_sections_of_reports() -> None:
    for text, expected in {
        "WET READ: x\n FINDINGS AND IMPRESSION: Clear.": {"findings": "Clear."},
        "IMPRESSION:\n 1. One.\n 2. Two: a.\n\n RECOMMENDATION(S):  CT.": {"impression": "1. One. 2. Two: a."},
        "FINDINGS: A.\n\n PORTABLE AP CHEST RADIOGRAPH: B.\n\nCONCLUSION: C.": {"findings": "A.", "impression": "C."},
        "FINDINGS:\n\nIMPRESSION: D.": {"impression": "D."},
        "FINDINGS: A.\nFINDINGS: B.": {"findings": "A. B."},
        "As compared to the previous radiograph, no change.": {},
        "": {},
    }.items():
        assert sections(text) == expected
