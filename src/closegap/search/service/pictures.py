"""Images that clients send, decoded within limits and without a file."""

import warnings
from io import BytesIO
from typing import Any

from closegap.errors import ClosegapError, needs
from closegap.kinds.decoding import load_image
from closegap.search.service.refused import RefusedError

with needs("image"):
    from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def picture(content: bytes, pixels: int) -> Any:
    """The image as upright RGB.

    Args:
        content: of a JPEG, PNG, WebP, BMP, TIFF or GIF.
        pixels: that it may have.

    Raises:
        RefusedError: another file, a damaged one, or one of more pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise RefusedError(413, f"image: more than {pixels:,} pixels; scale it down") from None
    except Exception:  # decoders meet hostile bytes with whatever they please
        raise RefusedError(415, f"image: not one of {', '.join(_FORMATS)}; send such a file") from None
    if image.width * image.height > pixels:
        raise RefusedError(413, f"image: more than {pixels:,} pixels; scale it down")
    try:
        image.load()
        return load_image(image)
    except ClosegapError:
        raise RefusedError(400, "image: cannot be decoded; scale it down, or send another") from None
    except Exception:  # as above
        raise RefusedError(400, "image: damaged; send another") from None
