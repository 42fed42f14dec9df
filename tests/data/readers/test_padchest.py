"""PadChest on a generated folder with the published names."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from closegap.data import BrokenRow, Case, PadChest, load_cases
from closegap.data.readers.patients import Held
from closegap.errors import DataError
from closegap.testing import check_source

Picture = Callable[[Path, int], Path]
_COLUMNS = [
    *("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "PatientSex_DICOM"),
    *("ViewPosition_DICOM", "Projection", "MethodProjection", "Pediatric", "Modality_DICOM", "Manufacturer_DICOM"),
    *("PhotometricInterpretation_DICOM", "PixelRepresentation_DICOM", "PixelAspectRatio_DICOM"),
    *("SpatialResolution_DICOM", "BitsStored_DICOM", "WindowCenter_DICOM", "WindowWidth_DICOM", "Rows_DICOM"),
    *("Columns_DICOM", "XRayTubeCurrent_DICOM", "Exposure_DICOM", "ExposureInuAs_DICOM", "ExposureTime"),
    *("RelativeXRayExposure_DICOM", "ReportID", "Report", "MethodLabel", "Labels", "Localizations"),
    *("LabelsLocalizationsBySentence", "labelCUIS", "LocalizationsCUIS"),
]


def row(number: int, projection: str, **cells: str) -> dict[str, str]:
    return {
        "": str(number),
        "ImageID": f"2053668664013634823614867989145588646{number}_{projection}.png",
        "ImageDir": str(number % 3),
        "StudyID": f"20536686640136348236148679891455886{number:03d}",
        "PatientID": f"839860488694292331637988235681460{number // 2:03d}",
        "Projection": projection,
        "MethodLabel": "Physician",
        "Report": f"sin hallazg patolog edad pacient  {number} .",
        "Labels": "['normal', ' pleural effusion ']",
        "labelCUIS": "['C0205307' 'C0032227']",
    } | cells


def write(root: Path, rows: list[dict[str, str]]) -> Path:
    root.mkdir(exist_ok=True)
    path = root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def root(tmp_path: Path, picture: Picture) -> Path:
    folder = tmp_path / "padchest"
    rows = [row(number, view) for number in range(40) for view in ("PA", "L")]
    rows[2] |= {"Report": "", "Labels": "['nan']", "labelCUIS": ""}
    rows[3] |= {"Report": "", "Labels": "", "labelCUIS": ""}
    write(folder, rows)
    for number, one in enumerate(rows):
        where = folder / one["ImageDir"] if number % 3 else folder / "images" if number % 2 else folder
        picture(where / one["ImageID"], number)
    return folder


def test_a_study_with_all_that_is_published(root: Path) -> None:
    source = PadChest(root, held=Held(0.2, 0.2))
    check_source(source)
    cases = load_cases(source)
    assert min(len(cases.split(split)) for split in ("train", "validation", "test")) > 0
    found = [one for one in source.rows() if isinstance(one, Case)]
    assert len(found) == 40
    case = found[0]
    assert (len(case.views["image"]), case.views["report"]) == (2, ("sin hallazg patolog edad pacient 0 .",))
    assert case.views["labels"] == (("normal", "pleural effusion"),)
    assert case.labels == {"finding": "normal", "projection": "L+PA", "method": "Physician"}
    assert case.concepts == ("C0205307", "C0032227")
    assert set(found[1].views) == {"image"}
    assert found[2].group == found[3].group != found[4].group


def test_projections_are_chosen(root: Path) -> None:
    found = [one for one in PadChest(root, ["PA"]).rows() if isinstance(one, Case)]
    assert {one.labels["projection"] for one in found} == {"PA"}
    assert [len(one.views["image"]) for one in found] == [1] * 40


@pytest.mark.parametrize(
    ("cells", "reason", "message"),
    [
        ({"StudyID": ""}, "no id", "column 'StudyID' holds no name"),
        ({"ImageID": "../../x.png"}, "no id", "column 'ImageID' holds no name"),
        ({"Labels": "['a'"}, "not a list", "column 'Labels': expected a list"),
        ({"Labels": "{'a': 1}"}, "not a list", "column 'Labels': expected a list"),
        ({"StudyID": row(0, "PA")["StudyID"]}, "views disagree", "its study is another patient's"),
    ],
)
def test_what_is_wrong_with_a_row(cells: dict[str, str], reason: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, [row(0, "PA"), row(5, "PA", **cells)])
    broken = [one for one in PadChest(tmp_path).rows() if isinstance(one, BrokenRow)]
    assert [(one.reason, one.where) for one in broken] == [(reason, f"{path}, line 3")]
    assert message in broken[0].message


def test_what_is_wrong_with_all_of_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv in it"):
        list(PadChest(tmp_path).rows())
    (tmp_path / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv").write_text("ImageID,StudyID\n")
    with pytest.raises(DataError, match="expected a column 'ImageDir'"):
        list(PadChest(tmp_path).rows())
