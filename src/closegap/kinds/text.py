"""Texts."""

import json
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.base import Kind

_SHOWN = 600  # characters
_AT_A_GLANCE = 200


class TextKind(Kind):
    """Texts: each a string."""

    noun: ClassVar[str] = "text"
    compact: ClassVar[bool] = True

    def problem(self, item: Any) -> str | None:
        """Something else than a string, or a blank one."""
        if not isinstance(item, str):
            return f"expected a text, found a {type(item).__name__}"
        return None if item.strip() else "expected a text, found a blank one"

    def fingerprint(self, item: Any) -> bytes:
        """The text as JSON, so that no text is taken for something else."""
        return json.dumps(item).encode()

    def said(self, item: Any) -> bytes:
        """The words, whatever stands between them and in whichever case."""
        return " ".join(item.split()).casefold().encode("utf-8", errors="surrogatepass")

    def pack(self, item: Any) -> bytes:
        """UTF-8."""
        packed: bytes = item.encode("utf-8", errors="surrogatepass")
        return packed

    def unpack(self, data: bytes) -> str:
        """The text."""
        return data.decode("utf-8", errors="surrogatepass")

    def suffix(self, packed: bytes) -> str:
        """A text file's."""
        del packed
        return ".txt"

    def show(self, item: Any) -> Markup:
        """A paragraph, cut where it is very long."""
        text = item if len(item) <= _SHOWN else item[: _SHOWN - 1].rstrip() + "…"
        if len(text) > _AT_A_GLANCE:
            return Markup('<p title="{0}">{0}</p>').format(text)
        return Markup("<p>{}</p>").format(text)

    def text(self, item: Any) -> str:
        """The text on one line."""
        return " ".join(item.split())
