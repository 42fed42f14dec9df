"""A picture inside a page."""

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def jpeg_address(picture: "Image.Image") -> str:
    """The picture as a JPEG in the address of an image, `data:image/jpeg;base64,...`."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
