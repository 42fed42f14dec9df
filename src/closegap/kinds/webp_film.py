"""Animated WebP, which FFmpeg does not read."""

from collections.abc import Iterator, Sequence
from io import BytesIO, RawIOBase
from typing import Any

from closegap.errors import DataError, needs
from closegap.kinds.container_film import on_black
from closegap.kinds.film import Film
from closegap.kinds.frame_choice import SECOND, Span
from closegap.kinds.viewing import Viewing

with needs("video"):
    from PIL import Image

_LARGEST = 256 * 2**20  # bytes; Pillow holds the file
_SHOWN = 100  # milliseconds of a frame that says none


def is_webp(start: bytes) -> bool:
    """Whether a file that begins so is a WebP."""
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


class WebpFilm(Film):
    """An animated WebP: its times are read from its chunks, its frames decoded one after the other.

    Args:
        file: at its beginning.
        name: what errors call it.
    """

    def __init__(self, file: RawIOBase | BytesIO, name: str) -> None:
        super().__init__(name)
        self._content: bytes = file.read(_LARGEST + 1) or b""
        if len(self._content) > _LARGEST:
            raise DataError(f"{name}: a WebP of more than {_LARGEST:,} bytes; convert it to MP4")
        self._starts: list[int] = []

    def span(self, viewing: Viewing) -> Span:
        """When frames are shown; see `Film.span`."""
        self._starts, end = [], 0
        for kind, chunk in self._chunks():
            if kind == b"VP8X" and len(chunk) >= 10:
                self.expect_size(_number(chunk[4:7]) + 1, _number(chunk[7:10]) + 1)
            if kind == b"ANMF" and len(chunk) >= 16:
                self._starts.append(end)
                end += (_number(chunk[12:15]) or _SHOWN) * SECOND // 1000
        self.expect_length(end / SECOND, viewing)
        return self.part(self._starts, end, viewing)

    def pictures(self, moments: Sequence[int], size: int) -> Iterator[tuple[int, Image.Image]]:
        """The chosen frames; see `Film.pictures`."""
        wanted = set(moments)
        try:
            with Image.open(BytesIO(self._content), formats=("WEBP",)) as image:
                numbers = [number for number, at in enumerate(self._starts) if at in wanted]
                self.expect_work(numbers[-1] + 1, image.width, image.height)
                for number in numbers:
                    image.seek(number)
                    found = on_black(image.convert("RGBA"))
                    found.thumbnail((size, size), Image.Resampling.BICUBIC)
                    yield self._starts[number], found
        except DataError:
            raise
        except Exception as error:  # hostile bytes are met with whatever Pillow pleases
            raise DataError(f"{self.name}: damaged or truncated ({error}); fetch it again") from error

    def _chunks(self) -> Iterator[tuple[bytes, Any]]:
        view, at = memoryview(self._content), 12
        while at + 8 <= len(view):
            size = int.from_bytes(view[at + 4 : at + 8], "little")
            if at + 8 + size > len(view):
                raise DataError(f"{self.name}: truncated, a chunk of {size:,} bytes is not all there; fetch it again")
            yield bytes(view[at : at + 4]), view[at + 8 : at + 8 + size]
            at += 8 + size + size % 2


def _number(content: Any) -> int:
    return int.from_bytes(content, "little")
