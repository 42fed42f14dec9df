"""What the kinds have in common whose items are structures of numbers and texts."""

from abc import abstractmethod
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.base import Kind


class StructuredKind(Kind):
    """Items that are packed as JSON and shown as one line of text."""

    compact: ClassVar[bool] = True

    @abstractmethod
    def text(self, item: Any) -> str:
        """The item in one plain line."""

    def suffix(self, packed: bytes) -> str:
        """JSON's."""
        del packed
        return ".json"

    def show(self, item: Any) -> Markup:
        """What `text` says, in a paragraph."""
        return Markup("<p>{}</p>").format(self.text(item))
