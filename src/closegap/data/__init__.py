"""Data sets as people publish them, checked and turned into cases."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.data.case import BrokenRow as BrokenRow
    from closegap.data.case import Case as Case
    from closegap.data.case import Row as Row
    from closegap.data.checks import Cases as Cases
    from closegap.data.checks import Checks as Checks
    from closegap.data.checks import load_cases as load_cases
    from closegap.data.memory import cache_folder as cache_folder
    from closegap.data.readers.cells import Columns as Columns
    from closegap.data.readers.dicom_folder import DicomFolder as DicomFolder
    from closegap.data.readers.dicomweb import DicomWeb as DicomWeb
    from closegap.data.readers.fhir import Fhir as Fhir
    from closegap.data.readers.image_folder import ImageFolder as ImageFolder
    from closegap.data.readers.manifest import Manifest as Manifest
    from closegap.data.readers.meds import Meds as Meds
    from closegap.data.readers.mimic_cxr import MimicCxr as MimicCxr
    from closegap.data.readers.mixbench import JudgedSet as JudgedSet
    from closegap.data.readers.mixbench import MixBench as MixBench
    from closegap.data.readers.openi import OpenI as OpenI
    from closegap.data.readers.padchest import PadChest as PadChest
    from closegap.data.readers.ptbxl import PtbXl as PtbXl
    from closegap.data.readers.r2gen import R2Gen as R2Gen
    from closegap.data.readers.roco import Roco as Roco
    from closegap.data.readers.rocov2 import RocoV2 as RocoV2
    from closegap.data.readers.shards import Shards as Shards
    from closegap.data.readers.tables import Tables as Tables
    from closegap.data.readers.text_table import TextTable as TextTable
    from closegap.data.readers.write_shards import write_shards as write_shards
    from closegap.data.source import Source as Source
    from closegap.data.verification import content_digests as content_digests

_HOMES = {
    "BrokenRow": "closegap.data.case",
    "Case": "closegap.data.case",
    "Cases": "closegap.data.checks",
    "Checks": "closegap.data.checks",
    "Columns": "closegap.data.readers.cells",
    "DicomFolder": "closegap.data.readers.dicom_folder",
    "DicomWeb": "closegap.data.readers.dicomweb",
    "Fhir": "closegap.data.readers.fhir",
    "ImageFolder": "closegap.data.readers.image_folder",
    "JudgedSet": "closegap.data.readers.mixbench",
    "Manifest": "closegap.data.readers.manifest",
    "Meds": "closegap.data.readers.meds",
    "MixBench": "closegap.data.readers.mixbench",
    "MimicCxr": "closegap.data.readers.mimic_cxr",
    "OpenI": "closegap.data.readers.openi",
    "PadChest": "closegap.data.readers.padchest",
    "PtbXl": "closegap.data.readers.ptbxl",
    "R2Gen": "closegap.data.readers.r2gen",
    "Roco": "closegap.data.readers.roco",
    "RocoV2": "closegap.data.readers.rocov2",
    "Row": "closegap.data.case",
    "Shards": "closegap.data.readers.shards",
    "Source": "closegap.data.source",
    "Tables": "closegap.data.readers.tables",
    "cache_folder": "closegap.data.memory",
    "content_digests": "closegap.data.verification",
    "load_cases": "closegap.data.checks",
    "TextTable": "closegap.data.readers.text_table",
    "write_shards": "closegap.data.readers.write_shards",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
