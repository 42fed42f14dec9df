"""Bytes in the middle of a large file."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from closegap.errors import DataError
from closegap.files import digest, regular
from closegap.kinds.place import Place


@dataclass(frozen=True)
class Stored:
    """A member of an uncompressed archive. Only its own bytes are read, whatever surrounds them.

    Args:
        file: the archive.
        offset: where the member's bytes begin.
        size: how many they are.
        content_digest: their digest.
    """

    file: Path
    offset: int
    size: int
    content_digest: str

    def content(self) -> bytes:
        """The bytes.

        Raises:
            DataError: a missing or shortened archive, or other bytes than the index says.
        """
        try:
            archive = _descriptor(self.file)
            if self.offset + self.size > os.fstat(archive).st_size:  # before memory is asked for
                raise DataError(f"{self.file}: ends before byte {self.offset + self.size}; copy it again")
            found = os.pread(archive, self.size, self.offset)
        except OSError as error:
            raise DataError(f"{self.file}: cannot be read ({error.strerror or error})") from error
        if digest(found) != self.content_digest:
            raise DataError(f"{self}: not what its index says; copy the shards again, or write them again")
        return found

    def place(self) -> Place:
        """The archive, and where in it."""
        return Place(self.file, f"@{self.offset}+{self.size}")

    def __str__(self) -> str:
        return f"{self.file}, byte {self.offset}"


@lru_cache(maxsize=256)
def _descriptor(file: Path) -> int:
    """An open file that reads at any place without a position of its own, for as long as the process lives."""
    return os.open(regular(file), os.O_RDONLY)
