"""A folder of DICOM files."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closegap.data.case import BrokenRow, Case, Row, within
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.data.dicomweb.terms import BODY_PARTS, MODALITIES, term
from closegap.data.source import Source
from closegap.errors import ClosegapWarning, DataError, needs
from closegap.kinds.base import Kind
from closegap.kinds.dicom.dicom import DicomKind, Frame
from closegap.kinds.dicom.reading import read_dicom
from closegap.kinds.dicom.report import report_text
from closegap.kinds.text import TextKind

with needs("dicom"):
    from pydicom import Dataset
    from pydicom.uid import UID

DICOM_SUFFIXES = frozenset({"", ".dcm", ".dicom", ".ima"})
_SIDECAR, _DIRECTORY = ".txt", "DICOMDIR"
_BESIDE = frozenset({_SIDECAR, ".csv"}) | DICOM_SUFFIXES


@dataclass(frozen=True)
class _Instance:
    """What is held of a file until its study is complete."""

    file: Path
    study: str
    patient: str
    order: tuple[int, str, int, str]
    labels: Mapping[str, str]
    is_report: bool
    is_picture: bool


class DicomFolder(Source):
    """The studies in a folder of DICOM files: each a case, with its pictures and the texts of its reports.

    A report is the text of a structured report (SR) of the study, or a file `NAME.txt` beside its `NAME.dcm`. Nothing
    that names somebody leaves a tag: a case is called by a keyed digest of the study's UID and a group by one of the
    patient's number. Labels are `imaging`, `body_part` and `study_year`, as far as they are words of DICOM. Texts of
    reports come as they were written.

    Args:
        root: the folder; files are .dcm, .dicom, .ima or without a suffix, at any depth.
        key: the file with the key of the digests; whoever holds it can go back from a case to its study.
        image: name of the pictures' modality.
        report: name of the reports' modality; None reads none.
        split: split of all cases.
        frame: as of `DicomKind`.
        window: as of `DicomKind`.

    Raises:
        UsageError: a key that cannot be used; no such frame or window.
    """

    def __init__(
        self,
        root: Path,
        key: Path,
        image: str = "image",
        report: str | None = "report",
        split: str = "test",
        frame: Frame = "middle",
        window: str | None = None,
    ) -> None:
        self._root, self._pseudonyms = Path(root), Pseudonyms.read(Path(key))
        self._image, self._report, self._split = image, report, split
        self._kind = DicomKind(frame, window)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Pictures, and texts."""
        return {self._image: self._kind} | ({} if self._report is None else {self._report: TextKind()})

    @property
    def data_root(self) -> Path:
        """The folder."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """The studies that have a picture or a report, in the order of their pseudonyms, after files that are broken.

        Raises:
            DataError: no such folder, or no DICOM file in it.
        """
        studies = defaultdict[str, list[_Instance]](list)
        for file in dicom_files(self._root):
            try:
                found = self._instance(file)
            except DataError as error:
                yield self._broken(file, "file unreadable", str(error))
                continue
            studies[found.study].append(found)
        for study in sorted(studies):
            row = self._case(study, sorted(studies[study], key=lambda one: one.order))
            if row is not None:
                yield row

    def _instance(self, file: Path) -> _Instance:
        dataset = read_dicom(file, pixels=False)
        try:
            study, instance, patient = (
                _value(dataset, name) for name in ("StudyInstanceUID", "SOPInstanceUID", "PatientID")
            )
            modality, known = _value(dataset, "Modality"), UID(_value(dataset, "SOPClassUID"))
            year = _value(dataset, "StudyDate")[:4]
            part = term(_value(dataset, "BodyPartExamined"), BODY_PARTS)
            is_picture = "Image Storage" in known.name or (known.name == known and _number(dataset, "Rows") > 0)
            series = (_number(dataset, "SeriesNumber"), _value(dataset, "SeriesInstanceUID"))
            order = (*series, _number(dataset, "InstanceNumber"), instance)
            issuer = _value(dataset, "IssuerOfPatientID")
        except Exception as error:  # damaged tags meet pydicom with whatever they please
            raise DataError(f"{file}: tags that are damaged ({type(error).__name__})") from None
        if not study:
            raise DataError(f"{file}: says no study (0020,000D); leave it out")
        name = self._pseudonyms.of("study", study)
        labels = {
            "imaging": term(modality, MODALITIES) if is_picture else "",
            "body_part": part if is_picture else "",
            "study_year": year if year.isdecimal() and year.isascii() and len(year) == 4 else "",
        }
        group = self._pseudonyms.patient(patient, issuer) if patient else name
        return _Instance(file, name, group, order, labels, modality == "SR" or " SR Storage" in known.name, is_picture)

    def _case(self, study: str, instances: Sequence[_Instance]) -> Row | None:
        """A study; None of one with neither a picture nor a report."""
        if len({one.patient for one in instances}) > 1:
            where = instances[0].file
            return self._broken(where, "study of several patients", "its study is also another patient's; set it right")
        views: dict[str, tuple[Any, ...]] = {}
        if pictures := {one.order[-1] or str(one.file): one for one in instances if one.is_picture}:
            views[self._image] = tuple(self._kind.parse(one.file) for one in pictures.values())
        if self._report is not None:
            texts = list[str]()
            for one in instances:
                try:
                    texts += _texts(one)
                except DataError as error:
                    return self._broken(one.file, "report unreadable", str(error))
            if texts:
                views[self._report] = tuple(dict.fromkeys(texts))
        labels = {
            name: "+".join(sorted({one.labels[name] for one in instances} - {""}))
            for name in ("imaging", "body_part", "study_year")
        }
        labels = {name: label for name, label in labels.items() if label}
        return Case(study, self._split, instances[0].patient, views, labels) if views else None

    def _broken(self, file: Path, reason: str, message: str) -> BrokenRow:
        where = file.relative_to(self._root).as_posix()
        return BrokenRow(reason, where, within(self._root, message).removeprefix(f"{where}: "))


def dicom_files(folder: Path) -> list[Path]:
    """The files in a folder that are DICOM by their names, at any depth, in the order of their paths.

    Warns of what else is in it, by suffix, but for texts and tables.

    Args:
        folder: hidden files and DICOMDIR in it are left alone.

    Raises:
        DataError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one with DICOM files")
    there = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    files = [file for file in there if file.suffix.lower() in DICOM_SUFFIXES and file.name != _DIRECTORY]
    if not files:
        raise DataError(f"{folder}: holds no DICOM file; expected files such as .dcm")
    others = Counter(file.suffix.lower() for file in there if file.suffix.lower() not in _BESIDE)
    if others:
        left = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        warnings.warn(f"{folder}: left out what is no DICOM file by its name: {left}", ClosegapWarning, stacklevel=2)
    return files


def _texts(instance: _Instance) -> list[str]:
    """What a structured report says, and what lies beside the file."""
    texts = [report_text(read_dicom(instance.file))] if instance.is_report else []
    sidecar = instance.file.with_suffix(_SIDECAR)
    if sidecar.is_file():
        try:
            texts.append(sidecar.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise DataError(f"{sidecar}: cannot be read as UTF-8; save it as such") from None
    return [text for text in texts if text]


def _value(dataset: Dataset, keyword: str) -> str:
    """The first value as a text; "" where there is none."""
    found = dataset.get(keyword)
    if found is not None and not isinstance(found, str | int | float):
        found = next(iter(found), None) if hasattr(found, "__iter__") else found
    return "" if found is None else str(found).strip()


def _number(dataset: Dataset, keyword: str) -> int:
    found = _value(dataset, keyword)
    return int(found) if found.lstrip("+-").isdecimal() and len(found) < 10 else 0
