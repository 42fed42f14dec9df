"""PadChest: chest radiographs with Spanish reports."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.cells import CellError
from closegap.data.readers.literals import literal
from closegap.data.readers.patients import Held
from closegap.data.readers.raw_table import raw_rows
from closegap.data.source import Source
from closegap.data.table import TableRow
from closegap.errors import DataError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_TABLE = "PADCHEST_chest_x_ray_images_labels_160K*.csv*"
_COLUMNS = (
    *("ImageID", "ImageDir", "StudyID", "PatientID", "Projection", "MethodLabel", "Report", "Labels"),
    "labelCUIS",
)
_CUI = re.compile(r"C\d{7}")


@dataclass
class _Study:
    where: str
    patient: str
    images: list[Path] = field(default_factory=list)
    reports: dict[str, None] = field(default_factory=dict)
    labels: dict[str, None] = field(default_factory=dict)
    concepts: dict[str, None] = field(default_factory=dict)
    projections: set[str] = field(default_factory=set)
    method: str = ""


class PadChest(Source):
    """109,931 studies of 67,625 patients, 160,868 images.

    Modalities: "image", each projection of a study; "report", Spanish, its words cut to their stems as published;
    "labels", a set of findings. The group is the patient; nobody published splits, `held` says who is held out.
    Labels: "finding", the first of a study, "projection", and "method": labels are by a "Physician" or by "RNN_model".
    Concepts are the CUIs of the findings.

    Args:
        root: the folder of `PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv` and of the images, in folders that
            its column ImageDir names, in `images/`, or beside it.
        projections: images of these alone, such as [PA, L]; all by default.
        held: which patients are held out.

    Reference:
        Bustos et al., PadChest: A large chest x-ray image dataset with multi-label annotated reports, Medical Image
        Analysis 2020; the columns are those of the table of 01.02.19 of BIMCV.
    """

    def __init__(self, root: Path, projections: list[str] | None = None, held: Held | None = None) -> None:
        self._root, self._held = Path(root), held or Held()
        self._projections = None if projections is None else frozenset(projections)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Images, texts, sets of findings."""
        return {"image": ImageKind(), "report": TextKind(), "labels": CodesKind()}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """Broken rows, then the studies in the order of the table.

        Raises:
            DataError: no such folder, table or column.
        """
        tables = sorted(self._root.glob(_TABLE))
        if not tables:
            raise DataError(f"{self._root}: expected {_TABLE.replace('*.csv*', '_01.02.19.csv')} in it")
        studies: dict[str, _Study] = {}
        for row in raw_rows(tables[-1], _COLUMNS):
            try:
                broken = row if isinstance(row, BrokenRow) else self._add(studies, row)
            except CellError as error:
                broken = BrokenRow(error.reason, row.where, str(error))
            if broken is not None:
                yield broken
        for name, study in studies.items():
            yield self._case(name, study)

    def _add(self, studies: dict[str, _Study], row: TableRow) -> BrokenRow | None:
        cells: Mapping[str, str] = row.cells
        for column in ("ImageID", "StudyID", "PatientID"):
            if not cells[column] or "/" in cells[column]:
                return BrokenRow("no id", row.where, f"column '{column}' holds no name; fetch the table again")
        if self._projections is not None and cells["Projection"] not in self._projections:
            return None
        study = studies.setdefault(cells["StudyID"], _Study(row.where, cells["PatientID"]))
        if study.patient != cells["PatientID"]:
            return BrokenRow("views disagree", row.where, f"its study is another patient's in {study.where}")
        labels = [str(label).strip() for label in literal("Labels", cells["Labels"], list)]
        study.images.append(self._image(cells["ImageDir"].removesuffix(".0"), cells["ImageID"]))
        study.reports |= dict.fromkeys(filter(None, [" ".join(cells["Report"].split())]))
        study.labels |= dict.fromkeys(label for label in labels if label and label != "nan")
        study.concepts |= dict.fromkeys(_CUI.findall(cells["labelCUIS"]))
        study.projections.add(cells["Projection"])
        study.method = cells["MethodLabel"]
        return None

    def _image(self, folder: str, name: str) -> Path:
        """Where the image lies; where the table says where it lies nowhere."""
        said = self._root / folder.replace("/", "_") / name
        return next((path for path in (said, self._root / "images" / name, self._root / name) if path.is_file()), said)

    def _case(self, name: str, study: _Study) -> Case:
        views: dict[str, tuple[Any, ...]] = {"image": tuple(dict.fromkeys(study.images))}
        if study.reports:
            views["report"] = tuple(study.reports)
        if study.labels:
            views["labels"] = (tuple(study.labels),)
        projections = "+".join(sorted(study.projections - {""}))
        labels = {"finding": next(iter(study.labels), ""), "projection": projections, "method": study.method}
        split = self._held.split(study.patient)
        return Case(name, split, study.patient, views, labels, tuple(study.concepts))
