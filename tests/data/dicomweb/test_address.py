"""An address says where a PACS answers and what is meant of it, and never holds or shows a secret."""

import pytest

from closegap.data.dicomweb.address import Address
from closegap.errors import UsageError


def test_an_address_is_a_service_and_what_is_asked_of_it() -> None:
    found = Address.of("dicomweb://pacs.example:8042/dicom-web/?ModalitiesInStudy=CR&Modality=CR&PatientName=Muster*")
    assert found.url == "http://pacs.example:8042/dicom-web"
    assert found.query["study"] == {"ModalitiesInStudy": "CR", "PatientName": "Muster*"}
    assert found.query["series"] == {"Modality": "CR"}
    assert "Muster" not in f"{found.shown}{found!r}{found}"
    assert Address.of("dicomwebs://pacs/path").url == "https://pacs/path"
    assert Address.of("dicomweb://[::1]:8042/a").url == "http://[::1]:8042/a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://pacs/dicom-web", "expected dicomweb://host:port/path"),
        ("dicomweb:pacs", "expected dicomweb://"),
        ("dicomweb://", "expected dicomweb://"),
        ("dicomweb://pacs:port/x", "expected dicomweb://"),
        ("dicomweb://pacs:99999/x", "expected dicomweb://"),
        ("dicomweb://pacs/x#y", "expected dicomweb://"),
        ("dicomweb://pa cs/x", "expected dicomweb://"),
        ("dicomweb://ann:secret@pacs/x", "in CLOSEGAP_DICOMWEB_USER and CLOSEGAP_DICOMWEB_PASSWORD"),
        ("dicomweb://pacs/x?ModalitiesInStudy", "cannot be read"),
        ("dicomweb://pacs/x?ModalitiesInStudy=", "nothing is asked for"),
        ("dicomweb://pacs/x?Modality=CR&Modality=CT", "given twice"),
        ("dicomweb://pacs/x?limit=7", "'limit' is no attribute of DICOM"),
        ("dicomweb://pacs/x?ModalitesInStudy=CR", "'ModalitesInStudy' is no attribute of DICOM"),
    ],
)
def test_what_is_none_is_refused_without_being_quoted(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        Address.of(text)
    assert words in str(error.value)
    assert "secret" not in str(error.value)
