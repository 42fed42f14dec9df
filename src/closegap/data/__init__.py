"""Data sets as people publish them, checked and turned into cases."""

from closegap.data.checks import Cases, Checks, load_cases
from closegap.data.image import load_image, pad_to_square
from closegap.data.image_checks import cache_folder, content_digests
from closegap.data.image_folder import ImageFolder
from closegap.data.image_source import ImageSource
from closegap.data.manifest import Columns, Manifest
from closegap.data.phantom import Phantoms
from closegap.data.roco import Roco
from closegap.data.rocov2 import RocoV2
from closegap.data.sample import BrokenRow, Case, Row, Source
from closegap.data.shards import Shards, write_shards

__all__ = [
    "BrokenRow",
    "Case",
    "Cases",
    "Checks",
    "Columns",
    "ImageFolder",
    "ImageSource",
    "Manifest",
    "Phantoms",
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
