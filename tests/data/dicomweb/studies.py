"""Studies as a modality would send them, of pictures and texts that are at hand; the patients are invented."""

from datetime import date, timedelta

import numpy as np
from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

Patient = tuple[str, str]
"""Name and number."""


def radiograph(image: Image.Image, patient: Patient, study: str, number: int = 1) -> FileDataset:
    """A radiograph of 12 bits, stored dark where it is dense, with a window that shows it as it was."""
    dataset = _dataset(ComputedRadiographyImageStorage, patient, study, "CR", number)
    values = 4095 - np.asarray(image.convert("L")).astype(np.uint16) * 16
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME1"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.BodyPartExamined = "CHEST"
    dataset.PixelData = values.tobytes()
    return dataset


def report(text: str, patient: Patient, study: str, number: int = 1) -> FileDataset:
    """A structured report: who wrote it and when, and findings."""
    dataset = _dataset(BasicTextSRStorage, patient, study, "SR", number)
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [_code("18748-4", "Diagnostic imaging report")]
    author = _item("PNAME", "121008", "Person Observer Name")
    author.PersonName = "Writer^Wanda"
    findings = _item("CONTAINER", "121070", "Findings")
    finding = _item("TEXT", "121071", "Finding")
    finding.TextValue = text
    findings.ContentSequence, findings.ContinuityOfContent = [finding], "SEPARATE"
    dataset.ContentSequence = [author, findings]
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    return dataset


def _dataset(kind: UID, patient: Patient, study: str, modality: str, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid(prefix=None)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    found.SOPClassUID, found.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    found.SpecificCharacterSet = "ISO_IR 192"
    found.PatientName, found.PatientID = patient
    found.PatientBirthDate, found.PatientSex = "19500101", "O"
    found.StudyInstanceUID, found.SeriesInstanceUID = study, generate_uid(prefix=None)
    found.StudyDate = (date(2019, 1, 1) + timedelta(sum(map(ord, study)) % 700)).strftime("%Y%m%d")
    found.StudyTime, found.AccessionNumber, found.StudyID = "101500", f"ACC{study[-6:]}", "1"
    found.ReferringPhysicianName, found.InstitutionName = "Refers^Rita", "Saint Nowhere Hospital"
    found.Modality, found.SeriesNumber, found.InstanceNumber = modality, number, 1
    return found


def _item(kind: str, code: str, meaning: str) -> Dataset:
    found = Dataset()
    found.RelationshipType, found.ValueType = "CONTAINS", kind
    found.ConceptNameCodeSequence = [_code(code, meaning)]
    return found


def _code(code: str, meaning: str) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = code, "LN" if "-" in code else "DCM", meaning
    return found
