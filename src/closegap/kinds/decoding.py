"""Images of any mode, depth and orientation as upright RGB."""

from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8

from closegap.errors import ClosegapError, DataError, needs
from closegap.kinds.image_source import EncodedImage, ImageSource

with needs("image"):
    from PIL import Image, ImageOps

_WINDOW = (0.5, 99.5)  # percentiles; a few hot pixels or a burned-in marker must not darken the whole image
_AT_ONCE = 2**20  # pixels
_DEEP_MODES = ("I", "F")  # and I;16, I;16B, ...: more than 8 bits in one channel
_ALPHA_MODES = {"La": "LA", "RGBa": "RGBA"}  # premultiplied alpha converts to its plain sibling only
_BACKGROUND = (0, 0, 0, 255)
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def load_image(item: Path | Image.Image | ImageSource, at_least: int | None = None) -> Image.Image:
    """The image as upright 8-bit RGB, the first frame of several.

    More than 8 bits (modes I;16, I, F) are mapped linearly from the image's own 0.5th..99.5th percentile to 0..255;
    16-bit colour is cut to 8 by Pillow. Transparency is laid over black, the background of radiographs and of
    `pad_to_square`.

    Args:
        item: a file, an image, which stays as it is, or an `ImageSource`.
        at_least: the longest side that is needed, in pixels. A JPEG much larger is then decoded at 1/2, 1/4 or 1/8 of
            its size, several times as fast, never below twice this side. None decodes in full.

    Raises:
        DataError: no such file, no image, a truncated one, PostScript, or more pixels than PIL.Image.MAX_IMAGE_PIXELS.
    """
    if isinstance(item, Path):
        return decode_image(file_content(item), str(item), at_least)
    if isinstance(item, Image.Image):
        return _finished(item.copy(), f"image of {item.width} x {item.height} pixels", at_least)
    name = str(item) if isinstance(item, EncodedImage) else repr(item)
    try:
        found = item.content() if isinstance(item, EncodedImage) else item.open()
    except ClosegapError:
        raise
    except Exception as error:  # whatever the program behind it raises
        raise DataError(f"{name}: cannot be opened ({error})") from error
    return decode_image(found, name, at_least) if isinstance(found, bytes) else _finished(found, name, at_least)


def file_content(path: Path) -> bytes:
    """The bytes of an image's file.

    Raises:
        DataError: no such file, or one that cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def decode_image(content: bytes, name: str, at_least: int | None = None) -> Image.Image:
    """The encoded image as `load_image` gives it; `name` is what errors call it."""
    try:
        image = Image.open(BytesIO(content), formats=_formats())
    except Exception as error:  # decoders of forty formats meet hostile bytes with whatever they please
        raise _refusal(name, f"not an image that Pillow can read ({len(content)} bytes)", error) from error
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise DataError(
            f"{name}: {image.width:,} x {image.height:,} pixels, expected at most {most:,}; scale it down, "
            "or raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    return _finished(image, name, at_least)


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow reads, but for PostScript: another program would run it."""
    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


def pad_to_square(image: Image.Image, size: int, fill: int | tuple[int, int, int] = 0) -> Image.Image:
    """The RGB image scaled to fit a `size` x `size` square, its aspect kept, centred on `fill`."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    left, top = (size - width) // 2, (size - height) // 2
    border = (left, top, size - width - left, size - height - top)
    return ImageOps.expand(scaled, border, (fill, fill, fill) if isinstance(fill, int) else fill)


def _finished(image: Image.Image, name: str, at_least: int | None) -> Image.Image:
    try:
        if at_least is not None and image.format == "JPEG":
            scale = 2 * at_least / max(image.size)
            image.draft(None, (round(image.width * scale), round(image.height * scale)))
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
        return Image.fromarray(_windowed(np.asarray(image), inverted)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert(_ALPHA_MODES.get(image.mode, "RGBA")).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _BACKGROUND), layer).convert("RGB")
    return image.convert("RGB")


def _windowed(values: Num[np.ndarray, "height width"], inverted: bool) -> UInt8[np.ndarray, "height width"]:
    """The values' own range as 0..255; all 0 where there is but one value. What is not finite counts as darkest."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        raise DataError("no pixel is a finite number")
    exact = finite if finite.dtype == np.uint16 else finite.astype(np.float64)  # wider types may overflow
    low, high = map(float, np.percentile(exact, _WINDOW))
    if low == high:  # an almost empty image: the few values that differ are all there is
        low, high = float(finite.min()), float(finite.max())
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _AT_ONCE // values.shape[1])
    for start in range(0, len(values), rows):  # a few at a time: in double precision, an image is huge
        block = np.nan_to_num(values[start : start + rows].astype(np.float64), nan=low, posinf=high, neginf=low)
        fraction = np.clip((block - low) / max(high - low, np.finfo(np.float64).tiny), 0.0, 1.0)
        levels[start : start + rows] = np.rint(255 * (1 - fraction if inverted else fraction))
    return levels
