"""Where a PACS answers, and which of its studies are meant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from closegap.errors import UsageError, needs

with needs("dicom"):
    from pydicom.datadict import tag_for_keyword

Level = Literal["study", "series", "instance"]

_SCHEMES = {"dicomweb": "http", "dicomwebs": "https"}
_LEVELS: Mapping[str, Level] = {  # of all others it is the study that is asked for
    "BodyPartExamined": "series",
    "Laterality": "series",
    "Modality": "series",
    "PerformedProcedureStepStartDate": "series",
    "SeriesDescription": "series",
    "SeriesInstanceUID": "series",
    "SeriesNumber": "series",
    "InstanceNumber": "instance",
    "SOPClassUID": "instance",
    "SOPInstanceUID": "instance",
}
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_EXPECTED = "expected dicomweb://host:port/path, or dicomwebs:// for TLS"


@dataclass(frozen=True)
class Address:
    """A DICOMweb service, and what of it.

    Args:
        url: of the service, http or https.
        shown: what messages say: the address without what is asked for, which may name a patient.
        query: level to the keys that are asked for there, by keyword; never shown.
    """

    url: str
    shown: str
    query: Mapping[Level, Mapping[str, str]] = field(repr=False, default_factory=dict)

    @classmethod
    def of(cls, text: str) -> "Address":
        """What `dicomweb://host:port/path?ModalitiesInStudy=CR&StudyDate=20200101-` says.

        Raises:
            UsageError: it cannot be read, holds a password, or asks for what is no attribute of DICOM.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise UsageError(f"the address of a PACS cannot be read; {_EXPECTED}") from None
        if "@" in parts.netloc:
            raise UsageError(
                "the address of a PACS holds a name or a password, which others see in the list of processes; give "
                "them in CLOSEGAP_DICOMWEB_USER and CLOSEGAP_DICOMWEB_PASSWORD, or in ~/.netrc"
            )
        host = parts.netloc.removesuffix(f":{port}")
        if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or parts.fragment:
            raise UsageError(f"the address of a PACS cannot be read; {_EXPECTED}")
        place = f"{parts.netloc}{parts.path.rstrip('/')}"
        return cls(f"{_SCHEMES[parts.scheme]}://{place}", f"{parts.scheme}://{place}", _keys(parts.query))


def _keys(query: str) -> dict[Level, dict[str, str]]:
    found: dict[Level, dict[str, str]] = {"study": {}, "series": {}, "instance": {}}
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise UsageError("what is asked of a PACS cannot be read; expected ?ModalitiesInStudy=CR&...") from None
    for key, value in given:
        if tag_for_keyword(key) is None:
            raise UsageError(f"{key[:64]!r} is no attribute of DICOM; expected keywords such as ModalitiesInStudy")
        if not value:
            raise UsageError(f"{key}: nothing is asked for; give it a value, or leave it out")
        level = _LEVELS.get(key, "study")
        if key in found[level]:
            raise UsageError(f"{key}: given twice; ask for one value")
        found[level][key] = value
    return found
