"""Images in archives."""

from dataclasses import dataclass

from closegap.errors import needs
from closegap.files import digest
from closegap.kinds.decoding import decode_image
from closegap.kinds.place import Place
from closegap.kinds.stored import Stored

with needs("image"):
    from PIL import Image


@dataclass(frozen=True)
class StoredImage:
    """An image that stays in its archive until it is needed; an `ImageSource`."""

    stored: Stored

    def content(self) -> bytes:
        """The encoded image.

        Raises:
            DataError: a missing or shortened archive, or other bytes than the index says.
        """
        return self.stored.content()

    def open(self) -> Image.Image:
        """The image, as upright RGB."""
        return decode_image(self.content(), str(self))

    def fingerprint(self) -> bytes:
        """Digest of the encoded image, read rather than taken from an index that may lie: it is the key of caches.

        Raises:
            DataError: as of `content`.
        """
        return digest(self.content()).encode()

    def place(self) -> Place:
        """The archive, and where in it."""
        return self.stored.place()

    def __str__(self) -> str:
        return str(self.stored)
