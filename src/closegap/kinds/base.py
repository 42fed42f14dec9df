"""What every kind of item looks like."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.place import Place
from closegap.kinds.stored import Stored


class Kind(ABC):
    """What the items of a modality are: how they are checked, told apart, stored and shown. Nobody else asks.

    A source names the kinds that it gives and an encoder the kind that it takes. A kind has no state, or is a frozen
    dataclass of settings with defaults; it travels to worker processes, and its methods are called from threads. Items
    are values: nobody changes one, and two that are equal are one.

    Attributes:
        noun: what one item is called in messages and counts: "image unreadable".
        visual: whether what is shown is a picture: pictures stand side by side, texts below each other.
        costly: whether finding a problem takes so long that it is done in threads, with a progress bar, and remembered.
        compact: whether a packed item is a short text in UTF-8, which shards keep in their index.
        of_row: whether an item is made of several columns of a table, as a record is, and not of one cell.
    """

    noun: ClassVar[str] = "item"
    visual: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    compact: ClassVar[bool] = False
    of_row: ClassVar[bool] = False

    @abstractmethod
    def problem(self, item: Any) -> str | None:
        """Why the item cannot be used, in a few words; None where it can."""

    @abstractmethod
    def pack(self, item: Any) -> bytes:
        """The item as a shard stores it."""

    @abstractmethod
    def unpack(self, data: bytes) -> Any:
        """The item that was packed."""

    @abstractmethod
    def show(self, item: Any) -> Markup:
        """The item as a report shows it: HTML that loads nothing and in which whatever comes from outside is escaped.

        An image is `Markup('<img alt="" src="data:...">')`, a plot an SVG; `Markup("<p>{}</p>").format(text)` escapes.
        """

    def parse(self, given: Any) -> Any:
        """The item that a person hands in, such as a path written as a string.

        Raises:
            DataError: it is none of this kind.
        """
        return given

    def read(self, cell: Any, folder: Path) -> Any:
        """The item in a cell of a table, or, where `of_row`, in a mapping from column to value.

        Args:
            cell: a text that is not blank; or the mapping, None where a column is blank.
            folder: of the table; paths are relative to it.

        Raises:
            DataError: the cell holds no such item.
        """
        del folder
        return self.parse(cell)

    def views(self, items: Sequence[Any]) -> tuple[Any, ...]:
        """The views of a case whose cells hold these items: each is one."""
        return tuple(items)

    def concepts(self, item: Any) -> tuple[str, ...]:
        """The concepts that the item consists of, which say what its case is about; none by default."""
        del item
        return ()

    def place(self, item: Any) -> Place | None:
        """The file that the item lies in; None where it lies in none. What was found is remembered until it changes."""
        del item
        return None

    def fingerprint(self, item: Any) -> bytes:
        """Its content, or less that stands for it: other bytes for any other item, the same on every machine."""
        return self.pack(item)

    def said(self, item: Any) -> bytes | None:
        """What two sound items have in common that say the same; None where it would take long to find out."""
        return None if self.costly else self.fingerprint(item)

    def suffix(self, packed: bytes) -> str:
        """How the name of a file with these bytes ends: ".jpg"."""
        del packed
        return ".bin"

    def stored(self, stored: Stored) -> Any:
        """The item that lies packed in an archive; read at once, unless the kind can leave it there until it is needed.

        Raises:
            DataError: a missing or shortened archive.
        """
        return self.unpack(stored.content())

    def text(self, item: Any) -> str:
        """The item in one plain line, for hovers; "" where words cannot say it."""
        del item
        return ""
