"""What an archive keeps of an item, so that who finds it sees it."""

import re
from base64 import b64decode
from typing import Any

from closegap.kinds import Kind

_PICTURE = re.compile(r'<img alt="" src="data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)">')
_LONGEST = 20_000  # characters of a text
_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


def shown(kind: Kind, item: Any, pictures: bool) -> bytes:
    """The picture of what is visual, as its kind shows it, or the text of anything else, in UTF-8; b"" for nothing.

    Of what is shown with more than its picture, as a sound with its spectrogram, the picture is kept.

    Args:
        kind: of the item.
        item: as a case has it.
        pictures: whether pictures are kept.
    """
    if not kind.visual:
        return kind.text(item)[:_LONGEST].encode(errors="replace")
    if not pictures:
        return b""
    markup = str(kind.show(item))
    found = _PICTURE.search(markup)
    return b64decode(found[1]) if found else markup.encode()


def media_type(preview: bytes, visual: bool) -> str:
    """What a preview is: a picture in a format of its own, markup that loads nothing, or a text.

    Example:
        >>> media_type(b"No effusion.", visual=False), media_type(b"<svg/>", visual=True)
        ('text/plain', 'text/html')
    """
    if not visual:
        return "text/plain"
    return next((found for magic, found in _MAGIC.items() if preview.startswith(magic)), "text/html")
