"""What a structured report says in words, and nothing of its names, dates and numbers."""

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from tests.data.dicomweb.studies import report

from closegap.errors import DataError
from closegap.kinds.dicom.report import report_text


def test_texts_are_read_names_are_not() -> None:
    found = report("No effusion.\r\n  Heart of  normal size.", ("Muster^Erika", "7"), "1.2.3")
    assert report_text(found) == "No effusion. Heart of normal size."
    assert report_text(Dataset()) == ""


def test_texts_of_every_depth_come_in_order() -> None:
    outer = Dataset()
    items = []
    for number in range(3):
        inner, below = Dataset(), Dataset()
        inner.ValueType, inner.TextValue = "TEXT", f"{number}"
        below.ValueType, below.TextValue = "TEXT", f"{number} below"
        inner.ContentSequence = [below]
        items.append(inner)
    outer.ContentSequence = items
    assert report_text(outer).split("\n") == ["0", "0 below", "1", "1 below", "2", "2 below"]


def test_a_real_report(shared: Path) -> None:
    found = report_text(dcmread(shared / "data/dicom/files/test-SR.dcm"))
    assert found.startswith("A mass of\nwas detected.\n")


def test_a_damaged_report_is_refused_without_being_quoted() -> None:
    class Broken(Dataset):
        def get(self, *_: Any, **__: Any) -> Any:
            raise ValueError("Mueller^Hans")

    with pytest.raises(DataError, match=r"^a damaged report \(ValueError\)$"):
        report_text(Broken())
