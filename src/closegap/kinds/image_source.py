"""What an image that is no file must offer."""

from typing import Protocol, runtime_checkable

from closegap.errors import needs

with needs("image"):
    from PIL import Image

from closegap.kinds.place import Place


@runtime_checkable
class ImageSource(Protocol):
    """An image that is opened when it is needed: a member of an archive, a rendered phantom.

    Implementations are small, immutable and picklable, because they travel to worker processes.
    """

    def open(self) -> Image.Image:
        """The image; the caller owns it and may change it."""
        ...

    def fingerprint(self) -> bytes:
        """Bytes that change whenever the pixels would, found without making the pixels; keys of caches."""
        ...


@runtime_checkable
class EncodedImage(ImageSource, Protocol):
    """An `ImageSource` that holds an image file's bytes, so that only as much of it is decoded as is needed."""

    def content(self) -> bytes:
        """The encoded image."""
        ...


@runtime_checkable
class PlacedImage(ImageSource, Protocol):
    """An `ImageSource` that lies in a file: it stays sound until the file changes."""

    def place(self) -> Place:
        """The file, and which part of it."""
        ...
