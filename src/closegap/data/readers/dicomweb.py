"""Studies in a PACS."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.dicomweb.address import Address
from closegap.data.dicomweb.pacs import Pacs, Record
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.data.dicomweb.record import number, uid, value
from closegap.data.dicomweb.remote import RemotePicture
from closegap.data.dicomweb.terms import BODY_PARTS, MODALITIES, term
from closegap.data.source import Source
from closegap.errors import DataError, needs
from closegap.kinds.base import Kind
from closegap.kinds.dicom.report import report_text
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

with needs("dicom"):
    from pydicom.uid import UID

_AT_ONCE = 4  # studies: a PACS has other work


class DicomWeb(Source):
    """The studies of a PACS that has DICOMweb: each a case, with its pictures and the text of its structured reports.

    Nothing that names somebody leaves it: a case is called by a keyed digest of the study's UID and a group by one of
    the patient's number. Labels are `imaging`, the modality of the pictures, `body_part` and `study_year`, as far as
    they are words of DICOM. Texts of reports come as they were dictated.

    Args:
        address: as `dicomweb://host:port/path?ModalitiesInStudy=CR&StudyDate=20200101-`; dicomwebs for TLS.
        key: the file with the key of the digests; whoever holds it can go back from a case to its study.
        image: name of the pictures' modality.
        report: name of the reports' modality; None fetches no reports.
        split: split of all cases.

    Raises:
        UsageError: an address or a key that cannot be used.
    """

    def __init__(
        self,
        address: str,
        key: Path,
        image: str = "image",
        report: str | None = "report",
        split: Literal["train", "validation", "test"] = "test",
    ) -> None:
        self._pacs, self._pseudonyms = Pacs(Address.of(address)), Pseudonyms.read(Path(key))
        self._address = address
        self._image, self._report, self._split = image, report, split

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Pictures, and texts."""
        return {self._image: ImageKind()} | ({} if self._report is None else {self._report: TextKind()})

    @property
    def identity(self) -> str:
        """The PACS and what is asked of it; studies come and go."""
        return self._pseudonyms.of("query", self._address, self._image, self._report or "", self._split)

    def rows(self) -> Iterator[Row]:
        """The studies that have a picture or a report, in the order of their pseudonyms.

        Raises:
            ClosegapError: the PACS refuses, is none, or has nothing of what is asked for.
            UnavailableError: no answer.
        """
        studies, broken = dict[str, tuple[str, Record]](), 0
        for record in self._pacs.studies():
            name = uid(record, "StudyInstanceUID")
            if name is None:
                broken += 1
            else:
                studies[self._pseudonyms.of("study", name)] = (name, record)
        if broken:
            yield BrokenRow("study unreadable", str(self._pacs), f"tells of {broken} studies without a sound UID")
        found = False
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for row in pool.map(self._row, sorted(studies), [studies[case] for case in sorted(studies)]):
                if row is not None:
                    found = True
                    yield row
        if not found and not broken:
            what = f"none of {len(studies):,} studies has a picture or a report" if studies else "no study matches"
            raise DataError(f"{self._pacs}: {what}; ask for others in the address, after its ?")

    def studies(self) -> Iterator[tuple[str, str, str]]:
        """Pseudonym, group and address of each study: the way back."""
        for record in self._pacs.studies():
            name = uid(record, "StudyInstanceUID")
            if name is not None:
                case = self._pseudonyms.of("study", name)
                yield case, self._group(record, case), f"{self._pacs.address.url}/studies/{name}"

    def _row(self, case: str, of: tuple[str, Record]) -> Row | None:
        """A study; None of one with neither a picture nor a report."""
        study, record = of
        held = [(series, name) for series in self._pacs.series(study) if (name := uid(series, "SeriesInstanceUID"))]
        held.sort(key=lambda one: (number(one[0], "SeriesNumber"), one[1]))
        pictures, texts, seen = list[RemotePicture](), list[str](), list[Record]()
        for series, name in held:
            is_seen = False
            for instance, found in _instances(self._pacs.instances(study, name)):
                if _is_picture(instance):
                    where = f"case '{case}', picture {len(pictures)}"
                    pseudonym = self._pseudonyms.of("instance", found)
                    pictures.append(RemotePicture(self._pacs, study, name, found, where, pseudonym))
                    is_seen = True
                elif self._report is not None and _is_report(series, instance):
                    try:
                        texts.append(report_text(self._pacs.retrieve(study, name, found)))
                    except DataError as error:
                        return BrokenRow("report unreadable", f"case '{case}'", f"a report: {error}")
            seen += [series] if is_seen else []
        views: dict[str, tuple[Any, ...]] = {self._image: tuple(pictures)} if pictures else {}
        if any(texts) and self._report is not None:
            views[self._report] = tuple(filter(None, texts))
        return Case(case, self._split, self._group(record, case), views, _labels(record, seen)) if views else None

    def _group(self, record: Record, case: str) -> str:
        """The patient's pseudonym; the case's own where nobody says who it is."""
        patient = value(record, "PatientID")
        return self._pseudonyms.patient(patient, value(record, "IssuerOfPatientID")) if patient else case


def _instances(records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Each instance once, with its UID, in order."""
    found = {name: record for record in records if (name := uid(record, "SOPInstanceUID"))}
    return sorted(((record, name) for name, record in found.items()), key=lambda one: (_number(one[0]), one[1]))


def _number(record: Record) -> int:
    return number(record, "InstanceNumber")


def _is_picture(instance: Record) -> bool:
    """By its class; by its rows where the class is a manufacturer's own."""
    known = UID(value(instance, "SOPClassUID")).name
    return "Image Storage" in known or (known == value(instance, "SOPClassUID") and number(instance, "Rows") > 0)


def _is_report(series: Record, instance: Record) -> bool:
    return value(series, "Modality") == "SR" or " SR Storage" in UID(value(instance, "SOPClassUID")).name


def _labels(study: Record, series: Sequence[Record]) -> dict[str, str]:
    """What may be told of a study: words of DICOM, and a year."""
    modalities = sorted({term(value(one, "Modality"), MODALITIES) for one in series} - {""})
    parts = sorted({term(value(one, "BodyPartExamined"), BODY_PARTS) for one in series} - {""})
    year = value(study, "StudyDate")[:4]
    found = {
        "imaging": "+".join(modalities),
        "body_part": "+".join(parts),
        "study_year": year if year.isdecimal() and year.isascii() and len(year) == 4 else "",
    }
    return {name: label for name, label in found.items() if label}
