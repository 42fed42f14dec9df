"""Recordings of sound."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.errors import DataError, UsageError
from closegap.kinds.audio_player import player
from closegap.kinds.base import Kind
from closegap.kinds.listening import AS_IT_IS, Listening
from closegap.kinds.place import Place
from closegap.kinds.recording import Recording
from closegap.kinds.stored import Stored

_LONGEST_NAME = 255  # bytes, on every file system in use
_QUOTED = 40
_PART = re.compile(r"(?P<file>.+)#t=(?P<first>\d+(?:\.\d+)?)?(?:,(?P<last>\d+(?:\.\d+)?))?")
_MAGIC: Mapping[bytes, str] = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff": ".mp3"}


@dataclass(frozen=True)
class AudioKind(Kind):
    """Sounds: each a path or a `Recording`, decoded when it is needed, and then only the part that is heard.

    Any file that libsndfile or FFmpeg reads, the sound of a video too, whatever it is called. Refused are files that
    are no sound, empty, truncated where the format shows it, or say what they do not hold; sound of less than 10 ms,
    or of more than ten minutes where no part is named; what is silent, or not finite. Clipped sound passes.

    Args:
        listening: how it is heard: which part, mono or all channels, trimmed, levelled.
    """

    listening: Listening = AS_IT_IS

    noun: ClassVar[str] = "recording"
    visual: ClassVar[bool] = True
    costly: ClassVar[bool] = True

    def parse(self, given: Any) -> Recording:
        """The recording; a string is its path, or, with `#t=60,90` at its end, the part from 60 s to 90 s of that.

        Raises:
            DataError: neither, or a part that ends before it begins.
        """
        if isinstance(given, Recording):
            return given
        if isinstance(given, str) and (named := _PART.fullmatch(given)) is not None:
            return Recording(Path(named["file"]), self._part(given, named["first"], named["last"]))
        if isinstance(given, str | Path) and str(given):
            return Recording(Path(given), self.listening)
        raise DataError(f"expected the path of a recording, or a Recording, found a {type(given).__name__}")

    def read(self, cell: Any, folder: Path) -> Recording:
        """The recording at the path in the cell, which is relative to the table; a part of it as in `parse`.

        Raises:
            DataError: a text that no file can be called.
        """
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(cell).parts):
            raise DataError(f"expected the path of a recording, found {len(cell)} characters ({cell[:_QUOTED]!r}...)")
        found = self.parse(str(cell))
        assert isinstance(found.source, Path)
        return replace(found, source=folder / found.source)

    def problem(self, item: Any) -> str | None:
        """Why the part of it that is heard cannot be decoded, or nothing is in it."""
        try:
            self.parse(item).check()
        except DataError as error:
            return str(error)
        return None

    def place(self, item: Any) -> Place | None:
        """The recording's own file, or that which holds it, and how it is heard."""
        return item.place() if isinstance(item, Recording) else None

    def fingerprint(self, item: Any) -> bytes:
        """Digest of the file, and of how it is heard.

        Raises:
            DataError: a file that cannot be read.
        """
        return self.parse(item).fingerprint()

    def said(self, item: Any) -> bytes | None:
        """The file, and how it is heard: two files with one sound are not compared."""
        place = self.place(item)
        return None if place is None else f"{place.file}\0{place.part}".encode(errors="surrogateescape")

    def pack(self, item: Any) -> bytes:
        """The file's own bytes where it is heard whole and as it is; otherwise WAV of what is heard."""
        recording = self.parse(item)
        if not str(recording.listening):
            return recording.content()
        samples, rate = recording.samples()
        content = Recording.of_samples(samples.T, rate).source
        assert isinstance(content, bytes)
        return content

    def unpack(self, data: bytes) -> Recording:
        """The recording, of which all is heard: a part was cut out when it was packed."""
        return Recording(data)

    def stored(self, stored: Stored) -> Recording:
        """The recording, left in its archive until it is needed."""
        return Recording(stored)

    def suffix(self, packed: bytes) -> str:
        """That of the format."""
        return next((suffix for magic, suffix in _MAGIC.items() if packed.startswith(magic)), ".audio")

    def show(self, item: Any) -> Markup:
        """Spectrogram and player of the first ten seconds."""
        return player(self.parse(item))

    def _part(self, given: str, first: str | None, last: str | None) -> Listening:
        offset = float(first or 0)
        try:
            duration = None if last is None else float(last) - offset
            return replace(self.listening, offset=offset, duration=duration)
        except UsageError:
            raise DataError(f"{given}: expected #t=BEGINNING,END in seconds, of at most an hour") from None
