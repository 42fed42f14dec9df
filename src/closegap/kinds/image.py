"""Images."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.errors import DataError, needs
from closegap.kinds.base import Kind
from closegap.kinds.decoding import decode_image, decoded, file_content, load_image
from closegap.kinds.image_source import EncodedImage, ImageSource, PlacedImage
from closegap.kinds.inline_picture import jpeg_address
from closegap.kinds.place import Place
from closegap.kinds.stored import Stored
from closegap.kinds.stored_image import StoredImage

with needs("image"):
    from PIL import Image

_SHOWN_SIDE = 200
_LONGEST_NAME = 255  # bytes, on every file system in use
_QUOTED = 40


class ImageKind(Kind):
    """Images: each a path, a PIL image, or an `ImageSource`, which is opened when it is needed."""

    noun: ClassVar[str] = "image"
    visual: ClassVar[bool] = True
    costly: ClassVar[bool] = True

    def parse(self, given: Any) -> Path | Image.Image | ImageSource:
        """The image; a string is its path.

        Raises:
            DataError: nothing of the three.
        """
        if isinstance(given, str):
            return Path(given)
        if isinstance(given, Path | Image.Image | ImageSource):
            return given
        raise DataError(f"expected the path of an image, or an image, found a {type(given).__name__}")

    def read(self, cell: Any, folder: Path) -> Path:
        """The image at the path in the cell, which is relative to the table.

        Raises:
            DataError: a text that no file can be called.
        """
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(cell).parts):
            raise DataError(f"expected the path of an image, found {len(cell)} characters ({cell[:_QUOTED]!r}...)")
        return folder / str(cell)

    def problem(self, item: Any) -> str | None:
        """Why it cannot be decoded in full."""
        try:
            with decoded(self.parse(item)):
                return None
        except DataError as error:
            return str(error)

    def place(self, item: Any) -> Place | None:
        """The image's own file, or that which holds it."""
        if isinstance(item, Path):
            return Place(item)
        return item.place() if isinstance(item, PlacedImage) else None

    def fingerprint(self, item: Any) -> bytes:
        """The bytes of a file; what stands for another image's pixels.

        Raises:
            DataError: a file that cannot be read.
        """
        if isinstance(item, Path):
            return file_content(item)
        if isinstance(item, Image.Image):
            return f"{item.mode} {item.size} ".encode() + item.tobytes()
        fingerprint: bytes = item.fingerprint()
        return fingerprint

    def pack(self, item: Any) -> bytes:
        """The file's own bytes; PNG of an image that is no file."""
        if isinstance(item, Path):
            return file_content(item)
        if isinstance(item, EncodedImage):
            return item.content()
        image = item if isinstance(item, Image.Image) else item.open()
        buffer = BytesIO()
        upright_grey = image.mode == "L" and not image.getexif()
        (image if upright_grey else load_image(item)).save(buffer, "PNG")
        return buffer.getvalue()

    def said(self, item: Any) -> bytes | None:
        """The file that it is: two files with one picture are not compared."""
        place = self.place(item)
        return None if place is None else f"{place.file}\0{place.part}".encode(errors="surrogateescape")

    def unpack(self, data: bytes) -> Image.Image:
        """The image, as upright RGB.

        Raises:
            DataError: no image.
        """
        return decode_image(data, self.noun)

    def stored(self, stored: Stored) -> StoredImage:
        """The image, left in its archive until it is needed."""
        return StoredImage(stored)

    def suffix(self, packed: bytes) -> str:
        """That of the image's format."""
        form = Image.open(BytesIO(packed)).format or "image"
        return ".jpg" if form == "JPEG" else f".{form.lower()}"

    def show(self, item: Any) -> Markup:
        """A JPEG of at most 200 pixels a side."""
        image = load_image(item, _SHOWN_SIDE)
        image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        return Markup('<img alt="" src="{}">').format(jpeg_address(image))
