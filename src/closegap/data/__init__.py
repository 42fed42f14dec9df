"""Data sets as people publish them, checked and turned into cases."""

from closegap.data.case import BrokenRow, Case, Row, Source
from closegap.data.checks import Cases, Checks, load_cases
from closegap.data.image_checks import cache_folder, content_digests
from closegap.data.readers.image_folder import ImageFolder
from closegap.data.readers.manifest import Columns, Manifest
from closegap.data.readers.roco import Roco
from closegap.data.readers.rocov2 import RocoV2
from closegap.data.readers.shards import Shards, write_shards
from closegap.kinds.decoding import load_image, pad_to_square
from closegap.kinds.image_source import ImageSource

__all__ = [
    "BrokenRow",
    "Case",
    "Cases",
    "Checks",
    "Columns",
    "ImageFolder",
    "ImageSource",
    "Manifest",
    "Roco",
    "RocoV2",
    "Row",
    "Shards",
    "Source",
    "cache_folder",
    "content_digests",
    "load_cases",
    "load_image",
    "pad_to_square",
    "write_shards",
]
