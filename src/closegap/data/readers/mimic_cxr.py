"""MIMIC-CXR and MIMIC-CXR-JPG: chest studies with their reports in free text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.raw_table import raw_rows
from closegap.data.readers.sections import sections
from closegap.data.source import Source
from closegap.data.table import TableRow
from closegap.errors import DataError, UsageError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.dicom.dicom import DicomKind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_SPLITS = {"train": "train", "validate": "validation", "test": "test"}
_CHEXPERT = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture"),
    *("Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia"),
    *("Pneumothorax", "Support Devices"),
)
_SAID = {"1.0": "positive", "0.0": "negative", "-1.0": "uncertain", "1": "positive", "0": "negative", "-1": "uncertain"}
_LARGEST = 2**20


@dataclass
class _Study:
    where: str
    subject: str
    split: str
    images: list[str] = field(default_factory=list)


class MimicCxr(Source):
    """227,835 studies of 65,379 patients, 377,110 images.

    Modalities: "image", each view of a study; "findings" and "impression", which are split by the headings of the
    report; "labels", the set of CheXpert's labels that are positive. Splits are the published ones, the group is the
    patient. Labels, where `*-chexpert.csv.gz` is there: each of its fourteen, "positive", "negative", "uncertain", "".

    Args:
        root: the folder of `mimic-cxr-2.0.0-split.csv.gz` and, as far as they are there, `-metadata` and `-chexpert`,
            with or without .gz, and of `files/p10/p10000032/s50414267/*.jpg` or `*.dcm`.
        reports: the folder that holds `files/p10/p10000032/s50414267.txt` of `mimic-cxr-reports.zip`; the root by
            default.
        texts: whether there are reports; not where only images and labels were had.
        images: "jpg" of MIMIC-CXR-JPG, or "dicom" of MIMIC-CXR.
        views: images of these `ViewPosition` alone, such as [PA, AP]; needs the metadata.

    Reference:
        Johnson et al., MIMIC-CXR, Scientific Data 2019; MIMIC-CXR-JPG 2.1.0 on PhysioNet, whose tables are
        split (dicom_id, study_id, subject_id, split), metadata (dicom_id, subject_id, study_id, ..., ViewPosition, ...)
        and chexpert (subject_id, study_id and fourteen labels: 1, 0, -1 or blank).
    """

    def __init__(
        self,
        root: Path,
        reports: Path | None = None,
        texts: bool = True,
        images: Literal["jpg", "dicom"] = "jpg",
        views: list[str] | None = None,
    ) -> None:
        self._root, self._views = Path(root), None if views is None else frozenset(views)
        self._reports = Path(reports or root) if texts else None
        self._suffix, self._kind = (".jpg", ImageKind()) if images == "jpg" else (".dcm", DicomKind())
        if views is not None and not views:
            raise UsageError("views: none given, expected some, such as PA and AP, or leave it out")

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Images, texts, sets of labels."""
        texts: dict[str, Kind] = {} if self._reports is None else {"findings": TextKind(), "impression": TextKind()}
        labels: dict[str, Kind] = {} if self._table("chexpert") is None else {"labels": CodesKind()}
        return {"image": self._kind, **texts, **labels}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """Broken rows, then the studies in the order of the table of splits.

        Raises:
            DataError: no such folder, table or column.
        """
        if (table := self._table("split")) is None:
            raise DataError(f"{self._root}: expected mimic-cxr-2.0.0-split.csv.gz in it, which MIMIC-CXR-JPG has")
        wanted, labels = self._wanted(), self._labels()
        studies: dict[str, _Study] = {}
        for row in raw_rows(table, ["dicom_id", "study_id", "subject_id", "split"]):
            broken = row if isinstance(row, BrokenRow) else self._add(studies, row, wanted)
            if broken is not None:
                yield broken
        for name, study in studies.items():
            yield self._case(name, study, labels.get(name, {}))

    def _add(self, studies: dict[str, _Study], row: TableRow, wanted: frozenset[str] | None) -> BrokenRow | None:
        cells: Mapping[str, str] = row.cells
        for column in ("dicom_id", "study_id", "subject_id"):
            if not cells[column] or not cells[column].replace("-", "").isalnum():
                return BrokenRow("no id", row.where, f"column '{column}' holds no id; fetch the table again")
        if cells["split"] not in _SPLITS:
            return BrokenRow("unknown split", row.where, f"split '{cells['split']}', expected {', '.join(_SPLITS)}")
        one = _Study(row.where, cells["subject_id"], _SPLITS[cells["split"]])
        study = studies.setdefault(cells["study_id"], one)
        if (study.subject, study.split) != (one.subject, one.split):
            return BrokenRow("views disagree", row.where, f"its study has another patient or split in {study.where}")
        if wanted is None or cells["dicom_id"] in wanted:
            study.images.append(cells["dicom_id"])
        return None

    def _case(self, name: str, study: _Study, labels: Mapping[str, str]) -> Row:
        folder = Path("files", f"p{study.subject[:2]}", f"p{study.subject}")
        views: dict[str, tuple[Any, ...]] = {}
        if study.images:
            places = (self._root / folder / f"s{name}" / f"{image}{self._suffix}" for image in study.images)
            views["image"] = tuple(self._kind.read(str(place), Path()) for place in places)
        if self._reports is not None:
            path = self._reports / folder / f"s{name}.txt"
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    views |= {section: (words,) for section, words in sections(file.read(_LARGEST)).items()}
            except OSError:
                message = f"{path}: no such report; unpack mimic-cxr-reports.zip there, or name its folder with reports"
                return BrokenRow("report missing", study.where, message)
        if positive := tuple(label for label, said in labels.items() if said == "positive"):
            views["labels"] = (positive,)
        named = {label.lower().replace(" ", "_"): said for label, said in labels.items()}
        return Case(name, study.split, study.subject, views, named, positive)

    def _wanted(self) -> frozenset[str] | None:
        """The images of the views that are asked for; None for all."""
        if self._views is None:
            return None
        if (table := self._table("metadata")) is None:
            raise DataError(f"{self._root}: expected mimic-cxr-2.0.0-metadata.csv.gz in it, to choose views by")
        rows = raw_rows(table, ["dicom_id", "ViewPosition"])
        cells = [row.cells for row in rows if isinstance(row, TableRow)]
        return frozenset(one["dicom_id"] for one in cells if one["ViewPosition"] in self._views)

    def _labels(self) -> Mapping[str, Mapping[str, str]]:
        """Study to what CheXpert's labeller says of it."""
        if (table := self._table("chexpert")) is None:
            return {}
        rows = raw_rows(table, ["study_id", *_CHEXPERT])
        cells = [row.cells for row in rows if isinstance(row, TableRow)]
        return {one["study_id"]: {name: _SAID.get(one[name], "") for name in _CHEXPERT} for one in cells}

    def _table(self, what: str) -> Path | None:
        names = (f"mimic-cxr-2.0.0-{what}.csv{suffix}" for suffix in (".gz", ""))
        return next((self._root / name for name in names if (self._root / name).is_file()), None)
