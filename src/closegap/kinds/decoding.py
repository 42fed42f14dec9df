"""Images of any mode, depth and orientation as upright RGB."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from closegap.errors import ClosegapError, DataError, needs
from closegap.files import regular
from closegap.kinds.image_source import EncodedImage, ImageSource
from closegap.kinds.room import Room
from closegap.kinds.windows import strips, windowed

with needs("image"):
    from PIL import Image, ImageOps

_DEEP_MODES = ("I", "F")  # and I;16, I;16B, ...: more than 8 bits in one channel
_ALPHA_MODES = {"La": "LA", "RGBa": "RGBA"}  # premultiplied alpha converts to its plain sibling only
_BACKGROUND = (0, 0, 0, 255)
_PIXEL = {"I;16": 12, "I": 20, "F": 20}  # bytes of a pixel with all copies that are made of it; 8 in other modes
_LARGEST = 768 * 2**20
_ROOM = Room(512 * 2**20)
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def load_image(item: Path | Image.Image | ImageSource, at_least: int | None = None) -> Image.Image:
    """The image of `decoded`, for a caller who needs all of it."""
    with decoded(item, at_least) as image:
        return image


@contextmanager
def decoded(item: Path | Image.Image | ImageSource, at_least: int | None = None) -> Iterator[Image.Image]:
    """The image as upright 8-bit RGB, the first frame of several.

    More than 8 bits (modes I;16, I, F) are mapped linearly from the image's own 0.5th..99.5th percentile to 0..255;
    16-bit colour is cut to 8 by Pillow. Transparency is laid over black, the background of radiographs and of
    `pad_to_square`.

    Threads share a bounded memory for images of full size: this waits until there is room for another, and whoever
    makes a small image of it does so within the context.

    Args:
        item: a file, an image, which stays as it is, or an `ImageSource`.
        at_least: the longest side that is needed, in pixels. A JPEG much larger is then decoded at 1/2, 1/4 or 1/8 of
            its size, several times as fast, never below twice this side. None decodes in full.

    Raises:
        DataError: no such file, no image, a truncated one, PostScript, more pixels than PIL.Image.MAX_IMAGE_PIXELS, or
            ones that take more than 768 MiB to decode.
    """
    with ExitStack() as stack:
        if isinstance(item, Image.Image):
            name, image = f"image of {item.width} x {item.height} pixels", item.copy()
        elif isinstance(item, Path):
            name = str(item)
            image = _opened(stack.enter_context(_file(item)), name, item.stat().st_size)
        else:
            name = str(item) if isinstance(item, EncodedImage) else repr(item)
            found = _found(item, name)
            image = _opened(BytesIO(found), name, len(found)) if isinstance(found, bytes) else found
        if at_least is not None and image.format == "JPEG":
            _draft(image, at_least)
        stack.enter_context(_ROOM.taken(_cost(image, name)))
        yield _finished(image, name)


def file_content(path: Path) -> bytes:
    """The bytes of an image's file.

    Raises:
        DataError: no such file, or one that cannot be read.
    """
    with _file(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def decode_image(content: bytes, name: str) -> Image.Image:
    """The encoded image as `load_image` gives it; `name` is what errors call it."""
    image = _opened(BytesIO(content), name, len(content))
    with _ROOM.taken(_cost(image, name)):
        return _finished(image, name)


def pad_to_square(image: Image.Image, size: int, fill: int | tuple[int, int, int] = 0) -> Image.Image:
    """The RGB image scaled to fit a `size` x `size` square, its aspect kept, centred on `fill`."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    left, top = (size - width) // 2, (size - height) // 2
    border = (left, top, size - width - left, size - height - top)
    return ImageOps.expand(scaled, border, (fill, fill, fill) if isinstance(fill, int) else fill)


def _file(path: Path) -> BinaryIO:
    try:
        return regular(path).open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _found(item: ImageSource, name: str) -> bytes | Image.Image:
    try:
        return item.content() if isinstance(item, EncodedImage) else item.open()
    except ClosegapError:
        raise
    except Exception as error:  # whatever the program behind it raises
        raise DataError(f"{name}: cannot be opened ({error})") from error


def _opened(file: BinaryIO, name: str, size: int) -> Image.Image:
    """The image before its pixels are read."""
    try:
        image = Image.open(file, formats=_formats())
    except Exception as error:  # decoders of forty formats meet hostile bytes with whatever they please
        raise _refusal(name, f"not an image that Pillow can read ({size} bytes)", error) from error
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise DataError(
            f"{name}: {image.width:,} x {image.height:,} pixels, expected at most {most:,}; scale it down, "
            "or raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    return image


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow reads, but for PostScript: another program would run it."""
    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


def _draft(image: Image.Image, at_least: int) -> None:
    """Have the image decoded at a part of its size."""
    scale = 2 * at_least / max(image.size)
    image.draft(None, (round(image.width * scale), round(image.height * scale)))


def _cost(image: Image.Image, name: str) -> int:
    """Bytes that it takes to decode what the image declares."""
    size = image.width * image.height * next((n for mode, n in _PIXEL.items() if image.mode.startswith(mode)), 8)
    if size > _LARGEST:
        raise DataError(
            f"{name}: declares {image.width} x {image.height} pixels ({image.mode}), which take {size / 2**20:,.0f} "
            f"MiB to decode, expected at most {_LARGEST / 2**20:,.0f}; scale it down"
        )
    return size


def _finished(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
        _turn_upright(image)
        return _rgb(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except Exception as error:  # as above
        raise _refusal(name, f"damaged or truncated image ({error}); fetch it again", error) from error


def _refusal(name: str, reason: str, error: Exception) -> DataError:
    if isinstance(error, Image.DecompressionBombError):
        return DataError(f"{name}: {error}; if it is none, raise PIL.Image.MAX_IMAGE_PIXELS")
    return DataError(f"{name}: {reason}")


def _turn_upright(image: Image.Image) -> None:
    """Turn the image as its EXIF says. TIFFs have been turned by Pillow on loading and no longer carry the tag."""
    with suppress(
        Exception
    ):  # a mangled EXIF block says nothing; the pixels are sound, and turned before it is rewritten
        ImageOps.exif_transpose(image, in_place=True)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(_DEEP_MODES):
        inverted = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO  # Pillow inverts 8 bits only
        return Image.fromarray(windowed(np.asarray(image), inverted)).convert("RGB")
    if image.has_transparency_data:
        result = Image.new("RGB", image.size)
        for top, bottom in strips(image.width, image.height):
            layer = image.crop((0, top, image.width, bottom)).convert(_ALPHA_MODES.get(image.mode, "RGBA"))
            layer = layer.convert("RGBA")
            result.paste(
                Image.alpha_composite(Image.new("RGBA", layer.size, _BACKGROUND), layer).convert("RGB"), (0, top)
            )
        return result
    return image if image.mode == "RGB" else image.convert("RGB")
