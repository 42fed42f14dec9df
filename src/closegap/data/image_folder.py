"""A folder of images and nothing else."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from closegap.data.sample import Case, Row, Source
from closegap.errors import DataError


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
    def modalities(self) -> tuple[str, ...]:
        """The images' one."""
        return (self._modality,)

    def rows(self) -> Iterator[Row]:
        """The images in the order of their paths; what has no image's suffix is not one.

        Raises:
            DataError: no such folder, or no image in it.
        """
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected one of images")
        known = Image.registered_extensions()
        files = [file for file in sorted(self._root.rglob("*")) if file.suffix.lower() in known and file.is_file()]
        if not files:
            raise DataError(f"{self._root}: holds no image; expected .jpg, .png, .tif or another that Pillow reads")
        for file in files:
            name = file.relative_to(self._root).as_posix()
            yield Case(name, self._split, name, {self._modality: (file,)})
