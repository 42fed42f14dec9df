"""A folder of DICOM files is studies, and says nobody's name."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import BasicTextSRStorage
from tests.kinds.dicom.test_picture import RAMP, grey

from closegap.data import BrokenRow, Case, DicomFolder, Row
from closegap.errors import ClosegapWarning, DataError
from closegap.testing import check_source

PLANTED = re.compile("Zwetsch|Ottilie|9182736|1.2.77")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("k" * 64, encoding="utf-8")
    path.chmod(0o600)
    return path


def write(path: Path, study: str, patient: str, number: int = 1, **tags: object) -> None:
    dataset = grey(RAMP + number, 16, PatientName="Zwetschgenbaum^Ottilie", PatientID=patient, Modality="CT")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
    dataset.SOPInstanceUID = f"{study}.1.{number}"
    dataset.InstanceNumber, dataset.StudyDate, dataset.BodyPartExamined = number, "20210304", "CHEST"
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write(root / "x/2.dcm", "1.2.77.1", "9182736", 2)
    write(root / "x/1", "1.2.77.1", "9182736", 1)
    write(root / "y.dcm", "1.2.77.2", "9182736")
    write(root / "z.DCM", "1.2.77.3", "5")
    (root / "y.txt").write_text("Lungs are clear.\n", encoding="utf-8")
    return root


def cases(rows: Sequence[Row]) -> list[Case]:
    return [row for row in rows if isinstance(row, Case)]


def test_studies_are_cases_and_patients_groups(folder: Path, key: Path) -> None:
    rows = list(DicomFolder(folder, key).rows())
    found = {tuple(sorted(item.path.name for item in case.views["image"])): case for case in cases(rows)}
    assert len(rows) == 3
    first, second, third = found["1", "2.dcm"], found["y.dcm",], found["z.DCM",]
    assert [item.path.name for item in first.views["image"]] == ["1", "2.dcm"]
    assert first.group == second.group != third.group
    assert second.views["report"] == ("Lungs are clear.",)
    assert first.labels == {"imaging": "CT", "body_part": "CHEST", "study_year": "2021"}
    said = [(row.id, row.group, row.labels) for row in cases(rows)]
    assert not PLANTED.search(str(said))
    check_source(DicomFolder(folder, key, frame="montage", window="lung"))


def test_a_structured_report_is_the_text_of_its_study(folder: Path, key: Path, shared: Path) -> None:
    from pydicom import dcmread

    report = dcmread(shared / "data/dicom/files/test-SR.dcm")
    report.StudyInstanceUID, report.PatientID = "1.2.77.1", "9182736"
    report.IssuerOfPatientID = ""
    assert report.SOPClassUID != BasicTextSRStorage or report.ContentSequence
    report.save_as(folder / "sr.dcm")
    texts = [case.views.get("report") for case in cases(list(DicomFolder(folder, key).rows()))]
    assert sum(text is not None for text in texts) == 2


def test_broken_files_are_rows_that_name_nobody(folder: Path, key: Path) -> None:
    (folder / "noise.dcm").write_bytes(np.random.default_rng(0).bytes(3000))
    write(folder / "lost.dcm", "", "9182736", SOPInstanceUID="1.2.77.9")
    write(folder / "x/3.dcm", "1.2.77.1", "another")
    (folder / "y.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "notes.pdf").touch()
    with pytest.warns(ClosegapWarning, match=r"left out what is no DICOM file by its name: 1 \.pdf"):
        rows = list(DicomFolder(folder, key).rows())
    broken = {row.where: row for row in rows if isinstance(row, BrokenRow)}
    assert {row.reason for row in broken.values()} == {
        "file unreadable",
        "study of several patients",
        "report unreadable",
    }
    assert {"noise.dcm", "lost.dcm", "y.dcm"} < broken.keys()
    assert not any(PLANTED.search(row.message) or str(folder) in row.message for row in broken.values())
    assert len(cases(rows)) == 1


def test_a_folder_without_files(tmp_path: Path, key: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(DicomFolder(tmp_path / "gone", key).rows())
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="holds no DICOM file"):
        list(DicomFolder(tmp_path / "data", key).rows())


def test_real_files_are_cases_or_broken(shared: Path, key: Path, tmp_path: Path) -> None:
    shutil.copytree(shared / "data/dicom/files", tmp_path / "data")
    rows = list(DicomFolder(tmp_path / "data", key).rows())
    assert sum(len(case.views.get("image", ())) for case in cases(rows)) == 37
