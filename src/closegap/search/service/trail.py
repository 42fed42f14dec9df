"""The audit log: who asked when, a digest of what, and what was returned, each line sealed to the one before.

Digests are keyed. Who has the log without its key can neither try out questions against it nor write a line that fits.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

from filelock import FileLock

from closegap.disk import writing
from closegap.errors import DataError, UsageError

_FIRST = "0" * 64
_BLOCK = 4096


@dataclass(frozen=True)
class Checked:
    """A log that is whole.

    Args:
        lines: how many.
        head: hash of the last; kept elsewhere, it shows later that no line was cut off before it.
    """

    lines: int
    head: str


class Trail:
    """A log that several processes append to.

    Args:
        path: of the log; its key is made beside it, readable by its owner alone.

    Raises:
        ClosegapError: neither can be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            self._key = _key(path, make=True)
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        self._lock = FileLock(f"{path}.lock", mode=0o600)

    def digest(self, content: bytes) -> str:
        """What the log holds of a question; who has the key can tell whether it was a certain one."""
        return hashlib.blake2b(content, key=self._key, digest_size=16, person=b"query").hexdigest()

    def append(self, told: Mapping[str, Any]) -> None:
        """Add a line.

        Raises:
            DataError: the log ends in a line that is not whole.
            ClosegapError: it cannot be written, as on a full disk; then nothing of the line is left in it.
        """
        with self._lock, writing(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                number, before = _last(descriptor, size, self.path)
                when = datetime.now(UTC).isoformat(timespec="milliseconds")
                line = {"line": number + 1, "time": when, **told, "before": before}
                text = json.dumps(line | {"hash": _hash(self._key, line)}, ensure_ascii=True) + "\n"
                try:
                    if os.write(descriptor, text.encode()) != len(text):
                        raise OSError(28, "No space left on device")
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)


def verify(path: Path, head: str | None = None) -> Checked:
    """What the log holds, if it is whole.

    Args:
        path: of the log, its key beside it.
        head: the hash of a line that has to be in it.

    Raises:
        UsageError: no log, or no key of it.
        DataError: names the first line that was changed, added or taken away.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no audit log; name the file that `closegap serve --log` was given")
    key, before, number, found = _key(path), _FIRST, 0, head is None or head == _FIRST
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            broken = DataError(f"{path}, line {number}: was changed, or a line before it is missing")
            try:
                said = json.loads(line)
                given = said.pop("hash")
                sound = said["line"] == number and said["before"] == before and line.endswith(b"\n")
                if not sound or not compare_digest(str(given), _hash(key, said)):
                    raise broken
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
                raise broken from None
            before = given
            found = found or given == head
    if not found:
        raise DataError(f"{path}: holds no line of the hash that was given; lines were cut off, or it is another log")
    return Checked(number, before)


def _hash(key: bytes, line: Mapping[str, Any]) -> str:
    content = json.dumps(line, sort_keys=True).encode()
    return hashlib.blake2b(content, key=key, digest_size=32, person=b"line").hexdigest()


def _last(descriptor: int, size: int, path: Path) -> tuple[int, str]:
    """Number and hash of the last line."""
    if not size:
        return 0, _FIRST
    tail, start = b"", size
    while start and tail.count(b"\n", 0, -1) == 0:
        begin = max(0, start - _BLOCK)
        tail, start = os.pread(descriptor, start - begin, begin) + tail, begin
    try:
        if not tail.endswith(b"\n"):
            raise ValueError("half a line")
        said = json.loads(tail.rstrip(b"\n").rpartition(b"\n")[2])
        return int(said["line"]), str(said["hash"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: ends in a line that is not whole; move it away, and another is begun") from error


def _key(path: Path, make: bool = False) -> bytes:
    file = path.with_name(f"{path.name}.key")
    if make:
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as opened:
                opened.write(secrets.token_hex(32) + "\n")
    try:
        found = bytes.fromhex(file.read_text("ascii").strip())
    except FileNotFoundError:
        raise UsageError(f"{file}: no key of the log; put it back, or verify where it lies") from None
    except ValueError as error:
        raise DataError(f"{file}: damaged; take it from a backup") from error
    if len(found) != 32:
        raise DataError(f"{file}: damaged; take it from a backup")
    return found
