"""What the kinds have in common whose items last: recordings, signals."""

import os
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from closegap.errors import DataError, UsageError
from closegap.kinds.base import Kind
from closegap.kinds.place import Place
from closegap.kinds.sourced import Sourced, named_part
from closegap.kinds.stored import Stored

_LONGEST_NAME = 255  # bytes, on every file system in use
_QUOTED = 40


class Timed(Protocol):
    """An item that lasts."""

    @property
    def source(self) -> Sourced:
        """Where its content comes from."""

    def check(self) -> None:
        """Look at all of it that is taken, and raise a DataError where that cannot be used."""

    def place(self) -> Place | None:
        """Where it lies."""

    def fingerprint(self) -> bytes:
        """What stands for its content, and for how it is taken."""


class TimedKind(Kind):
    """Items that lie in files and last, of which a part may be named: `visit.mp3#t=60,90`."""

    visual: ClassVar[bool] = True
    costly: ClassVar[bool] = True
    made: ClassVar[type[Any]]
    """The class of items, made from a source and settings."""

    @property
    @abstractmethod
    def settings(self) -> Any:
        """How items are taken, a frozen dataclass with `offset` and `duration` in seconds."""

    def parse(self, given: Any) -> Any:
        """The item; a string is its path, or, with `#t=60,90` at its end, the part from 60 s to 90 s of that.

        Raises:
            DataError: neither, or a part that ends before it begins.
        """
        made = self.made
        if isinstance(given, made):
            return given
        if isinstance(given, str) and (part := named_part(given)) is not None:
            return made(part[0], self._part(given, *part[1:]))
        if isinstance(given, str | Path) and str(given):
            return made(Path(given), self.settings)
        raise DataError(f"expected the path of a {self.noun}, or a {made.__name__}, found a {type(given).__name__}")

    def read(self, cell: Any, folder: Path) -> Any:
        """The item at the path in the cell, which is relative to the table; a part of it as in `parse`.

        Raises:
            DataError: a text that no file can be called.
        """
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(cell).parts):
            raise DataError(f"expected the path of a {self.noun}, found {len(cell)} characters ({cell[:_QUOTED]!r}...)")
        found = self.parse(str(cell))
        return replace(found, source=folder / found.source)

    def problem(self, item: Any) -> str | None:
        """Why the part of it that is taken cannot be had, or nothing is in it."""
        try:
            found: Timed = self.parse(item)
            found.check()
        except DataError as error:
            return str(error)
        return None

    def place(self, item: Any) -> Place | None:
        """The item's own file, or that which holds it, and how it is taken."""
        return item.place() if isinstance(item, self.made) else None

    def fingerprint(self, item: Any) -> bytes:
        """Digest of the file, and of how it is taken.

        Raises:
            DataError: a file that cannot be read.
        """
        found: Timed = self.parse(item)
        return found.fingerprint()

    def said(self, item: Any) -> bytes | None:
        """The file, and how it is taken: the content of two files is not compared."""
        place = self.place(item)
        return None if place is None else f"{place.file}\0{place.part}".encode(errors="surrogateescape")

    def unpack(self, data: bytes) -> Any:
        """The item, of which all is taken: a part was cut out when it was packed."""
        return self.made(data)

    def stored(self, stored: Stored) -> Any:
        """The item, left in its archive until it is needed."""
        return self.made(stored)

    def _part(self, given: str, first: float, last: float | None) -> Any:
        try:
            return replace(self.settings, offset=first, duration=None if last is None else last - first)
        except UsageError as error:
            raise DataError(f"{given}: expected #t=BEGINNING,END in seconds ({error})") from None
