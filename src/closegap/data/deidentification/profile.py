"""The tags of a DICOM data set without the people in them."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.errors import needs
from closegap.kinds.dicom import quiet as quiet

with needs("deidentify"):
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
    from dicomanonymizer.simpledicomanonymizer import empty_element, replace_element
    from pydicom import DataElement, Dataset
    from pydicom.datadict import dictionary_has_tag
    from pydicom.tag import BaseTag, Tag

_EDITION = "dicomfields_2024b"
_OF_STANDARD = "1.2.840.10008."
_TEXTS = frozenset({"AE", "LT", "PN", "ST", "UC", "UN", "UR", "UT"})  # that no rule speaks of: they may say anything
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
_NUMBER = re.compile(r"[-+0-9.eE ]*")
_TIME = re.compile(r"[0-9.: ]*")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)", re.DOTALL)
_PATIENT = 0x0010  # group
_PICTURE = 0x0028
_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_OF_BYTES = frozenset({_PICTURE, 0x0066, 0x5400, 0x7FE0})  # groups of tables, surfaces, waveforms and pixels
_MODALITY = Tag(0x00080060)
_NUMBERED = frozenset({Tag(0x00080050), Tag(0x00200010), Tag(0x00400253), Tag(0x00401001), Tag(0x00380010)})


class Profile:
    """The Basic Application Level Confidentiality Profile, with dates shifted, by the table of dicom-anonymizer.

    Beyond the table, whatever may hold free text and has no rule is removed, and so are private attributes, unknown
    ones, overlays, values that are not what their representation says, and words of the patient's name or number
    wherever they stand in what stays. Sequences are cleaned at any depth, which dicom-anonymizer leaves undone.

    Reference:
        DICOM PS3.15, Annex E, Table E.1-1, edition 2024b; option Retain Longitudinal Temporal Information with
        Modified Dates (times are kept), and of Clean Descriptors nothing.

    Args:
        pseudonyms: under whose key UIDs, patients and shifts are made.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms

    def clean(self, dataset: Dataset) -> Counter[str]:
        """Change the data set in place, and return how often something was "removed", "replaced", "mapped", "shifted".

        Args:
            dataset: of a file; its file meta information is left to who writes it.
        """
        patient = self.patient(dataset)
        shift = timedelta(1 + int(self._pseudonyms.of("shift", patient), 16) % 365)
        words = frozenset(_identities(dataset))
        counts = Counter[str]()
        self._clean(dataset, shift, words, counts)
        dataset.PatientID = dataset.PatientName = patient
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "closegap: PS3.15 Basic Profile 2024b, dates shifted"
        dataset.DeidentificationMethodCodeSequence = [
            _code("113100", "Basic Application Confidentiality Profile"),
            _code("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        ]
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"
        return counts

    def patient(self, dataset: Dataset) -> str:
        """The pseudonym of the patient; that of the study, or of no one, where nobody says who it is."""
        number, issuer, study = (
            _first(dataset, name) for name in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
        )
        return self._pseudonyms.patient(number, issuer) if number else self._pseudonyms.of("study", study)

    def uid(self, given: str) -> str:
        """The UID that takes another's place: always the same one. Those of the standard itself stay."""
        text = str(given).strip("\0 ")
        if not text or (text.startswith(_OF_STANDARD) and re.fullmatch(r"[0-9.]+", text)):
            return text
        return f"2.25.{int(self._pseudonyms.of('uid', text), 16)}"

    def _clean(self, dataset: Dataset, shift: timedelta, words: frozenset[str], counts: Counter[str]) -> None:
        for tag in list(dataset.keys()):
            try:
                element = dataset[tag]
                change = self._change(element, shift, words, counts)
            except Exception:  # what cannot be read cannot be cleaned
                change = "removed"
            if change == "removed":
                del dataset[tag]
            if change:
                counts[change] += 1

    def _change(self, element: DataElement, shift: timedelta, words: frozenset[str], counts: Counter[str]) -> str:
        """Clean an element, and return what was done to it; "" for one that stays as it is."""
        tag, rule = element.tag, _rule(element.tag)
        if tag.is_private or tag.group < 0x0008 or tag.element == 0 or tag.group >= 0xFFFA or _is_drawn(tag):
            return "removed"
        if not dictionary_has_tag(tag):
            return "removed"
        if element.VR == "UI":
            return self._mapped(element)
        if element.VR in ("DA", "DT") and tag.group != _PATIENT:
            return _shifted(element, shift)
        if element.VR == "TM" and tag.group != _PATIENT:
            return "" if _all(_TIME, element.value) else "removed"
        if rule == "X" or (rule is None and element.VR in _TEXTS):
            return "removed"
        if rule is None and element.VR in _BYTES and tag.group not in _OF_BYTES:
            return "removed"
        if element.VR == "SQ":
            if rule == "Z":
                element.value = []
                return "replaced"
            for item in element.value:
                self._clean(item, shift, words, counts)
            return ""
        if rule is not None and element.VR in ("DA", "DT", "TM"):
            element.value = ""
            return "replaced"
        if rule is not None:
            (empty_element if rule == "Z" else replace_element)(element)
            return "replaced"
        return "removed" if _is_odd(element, words) else ""

    def _mapped(self, element: DataElement) -> str:
        given = [element.value] if isinstance(element.value, str) else list(element.value or ())
        found = [self.uid(one) for one in given]
        if found == given:
            return ""
        element.value = found[0] if len(found) == 1 else found
        return "mapped"


@cache
def _rules() -> dict[tuple[int, ...], str]:
    """Tag to X (remove), Z (empty) or D (replace): of a choice, that which keeps files sound."""
    table = dicom_anonymization_database_selector(_EDITION)
    found = dict[tuple[int, ...], str]()
    for name, rule in (
        ("X_TAGS", "X"),
        ("Z_TAGS", "Z"),
        ("X_Z_TAGS", "Z"),
        ("D_TAGS", "D"),
        ("Z_D_TAGS", "D"),
        ("X_D_TAGS", "D"),
        ("X_Z_D_TAGS", "D"),
    ):
        found |= dict.fromkeys(map(tuple, table[name]), rule)
    return found


def _rule(tag: BaseTag) -> str | None:
    return _rules().get((tag.group, tag.element))


def _is_drawn(tag: BaseTag) -> bool:
    """Whether it is of a curve or an overlay, which may be of text."""
    return tag.group & 0xFF00 in (0x5000, 0x6000)


def _is_odd(element: DataElement, words: frozenset[str]) -> bool:
    """Whether a value without a rule is not of its representation, or says who the patient is."""
    if element.VR in ("DS", "IS"):
        return not _all(_NUMBER, element.value)
    if element.VR == "AS":
        return True
    if element.VR == "CS" and not _all(_CODE, element.value):
        return True
    if element.VR not in ("CS", "LO", "SH") or element.tag.group == _PICTURE or element.tag == _MODALITY:
        return False
    return any(word in str(element.value).casefold() for word in words)


def _all(form: re.Pattern[str], value: Any) -> bool:
    values = [value] if isinstance(value, str | int | float) or value is None else list(value)
    return all(form.fullmatch("" if one is None else str(one)) for one in values)


def _shifted(element: DataElement, shift: timedelta) -> str:
    """Dates that much earlier; what is none is emptied."""
    values = [element.value] if isinstance(element.value, str) else list(element.value or ())
    if not any(values):
        return ""
    found = [_earlier(str(one), shift) for one in values]
    element.value = found[0] if len(found) == 1 else found
    return "shifted"


def _earlier(text: str, shift: timedelta) -> str:
    parts = _DATE.fullmatch(text.strip("\0 "))
    if parts is None or not re.fullmatch(r"[0-9.+-]{0,18}", parts[4]):
        return ""
    try:
        day = datetime(int(parts[1]), int(parts[2]), int(parts[3])) - shift
    except (ValueError, OverflowError):
        return ""
    return f"{day.year:04}{day.month:02}{day.day:02}{parts[4]}"


def _identities(dataset: Dataset) -> Iterator[str]:
    """The words of names and numbers in a data set, at any depth, of four letters or more, but of titles."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value:
                    yield from _identities(item)
            elif element.VR == "PN" or tag in _NUMBERED or (tag >> 16 == _PATIENT and element.VR in ("LO", "SH")):
                yield from (word for word in re.split(r"[\W_]+", str(element.value).casefold()) if len(word) >= 4)
        except Exception:  # such an element is removed
            continue


def _first(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "").strip("\0 ")
    except Exception:  # a damaged value is none
        return ""


def _code(value: str, meaning: str) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = value, "DCM", meaning
    return found
