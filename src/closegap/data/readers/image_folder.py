"""A folder of images and nothing else."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from closegap.data.case import Case, Row
from closegap.data.source import Source
from closegap.errors import ClosegapWarning, DataError, needs
from closegap.kinds.base import Kind
from closegap.kinds.image import ImageKind

with needs("image"):
    from PIL import Image


class ImageFolder(Source):
    """Every image below a folder, a case each, named by its path in the folder.

    Args:
        root: the folder.
        modality: name of the images' modality.
        split: split of all cases.
    """

    def __init__(self, root: Path, modality: str = "image", split: str = "test") -> None:
        self._root, self._modality, self._split = Path(root), modality, split

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Images."""
        return {self._modality: ImageKind()}

    @property
    def data_root(self) -> Path:
        """The folder."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """The images in the order of their paths; what has no image's suffix is not one.

        Raises:
            DataError: no such folder, or no image in it.
        """
        for file in image_files(self._root, deep=True):
            name = file.relative_to(self._root).as_posix()
            yield Case(name, self._split, name, {self._modality: (file,)})


def image_files(folder: Path, *, deep: bool) -> list[Path]:
    """The images in a folder, in the order of their paths; what has no image's suffix is not one.

    Warns of what else is in it, by suffix: scans such as .dcm are easily taken for images.

    Args:
        folder: what else is in it is left alone.
        deep: also in the folders below.

    Raises:
        DataError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one with images")
    known = Image.registered_extensions()
    found = folder.rglob("*") if deep else folder.iterdir()
    there = [file for file in sorted(found) if file.is_file()]
    files = [file for file in there if file.suffix.lower() in known]
    others = Counter(
        file.suffix.lower() for file in there if file.suffix.lower() not in known and not file.name.startswith(".")
    )
    left = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(others.items()))
    if not files:
        raise DataError(f"{folder}: holds no image{left and f' but {left}'}; expected files such as .png or .jpg")
    if others:
        warnings.warn(f"{folder}: left out what is no image by its name: {left}", ClosegapWarning, stacklevel=2)
    return files
