"""Is every image sound, and what is in it? Decoded once, remembered by path, size and time of change."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from closegap.data.readers.embedded_image import EmbeddedImage
from closegap.errors import DataError
from closegap.files import digest
from closegap.kinds.decoding import decode_image
from closegap.progress import Progress

_Item = TypeVar("_Item")
_LOG = logging.getLogger(__name__)
_FILE = "images.sqlite3"
_TABLE = "CREATE TABLE IF NOT EXISTS images (name TEXT PRIMARY KEY, size INT, mtime_ns INT, digest TEXT)"
_CHUNK = 256  # images between two writes: what is done stays done when the check is interrupted


@dataclass(frozen=True)
class Verdict:
    """What was found in an image.

    Args:
        digest: of its bytes, 128 bits in hexadecimal; "" where it could not be read.
        error: why it cannot be decoded; "" where it can.
    """

    digest: str
    error: str = ""


def cache_folder() -> Path:
    """$CLOSEGAP_CACHE, or ~/.cache/closegap."""
    given = os.environ.get("CLOSEGAP_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "closegap"


def check_images(
    images: Iterable[Path | EmbeddedImage], progress: Progress | None = None
) -> dict[Path | EmbeddedImage, Verdict]:
    """Verdict on each image, decoded in full unless it was before and its file has not changed since.

    Decoding releases the interpreter's lock, so threads use all cores.
    """
    stamps = {image: _stamp(image) for image in images}
    known = _recall([stamp for stamp in stamps.values() if stamp is not None])
    verdicts = {image: known[stamp] for image, stamp in stamps.items() if stamp in known}
    with ThreadPoolExecutor(_cores()) as pool:
        for chunk in _chunks([image for image in stamps if image not in verdicts]):
            found = {}
            for image, verdict in zip(chunk, pool.map(_examine, chunk), strict=True):
                found[image] = verdict
                if progress is not None:
                    progress(len(verdicts) + len(found), len(stamps))
            _remember({stamps[image]: verdict for image, verdict in found.items()})
            verdicts |= found
    return {image: verdicts[image] for image in stamps}


def content_digests(paths: Iterable[Path], progress: Progress | None = None) -> dict[Path, str]:
    """Digest of each file's bytes, remembered by path, size and time of change.

    Raises:
        DataError: a file that cannot be read.
    """
    verdicts = check_images(paths, progress)
    for verdict in verdicts.values():
        if not verdict.digest:
            raise DataError(verdict.error)
    return {image: verdict.digest for image, verdict in verdicts.items() if isinstance(image, Path)}


@dataclass(frozen=True)
class _Stamp:
    name: str
    size: int
    mtime_ns: int


def _stamp(image: Path | EmbeddedImage) -> _Stamp | None:
    """Where the image is and when it last changed; None where there is no file."""
    file = image if isinstance(image, Path) else image.file
    try:
        status = file.stat()
    except OSError:
        return None
    place = "" if isinstance(image, Path) else f"#{image.batch}/{image.row}"
    return _Stamp(f"{file.absolute()}{place}", status.st_size, status.st_mtime_ns)


def _examine(image: Path | EmbeddedImage) -> Verdict:
    try:
        content = image.read_bytes() if isinstance(image, Path) else image.content()
    except FileNotFoundError:
        return Verdict("", f"{image}: no such image")
    except OSError as error:
        return Verdict("", f"{image}: cannot be read ({error.strerror or error})")
    try:
        decode_image(content, str(image))
    except DataError as error:
        return Verdict(digest(content), str(error))
    return Verdict(digest(content))


def _recall(stamps: Sequence[_Stamp]) -> dict[_Stamp, Verdict]:
    """The images that are known to be sound."""
    wanted, known = set(stamps), {}

    def read(memory: sqlite3.Connection) -> None:
        for chunk in _chunks([stamp.name for stamp in stamps]):
            marks = ",".join("?" * len(chunk))
            rows = memory.execute(f"SELECT name, size, mtime_ns, digest FROM images WHERE name IN ({marks})", chunk)
            known.update({stamp: Verdict(row[3]) for row in rows if (stamp := _Stamp(*row[:3])) in wanted})

    if stamps:
        _with_memory(read)
    return known


def _remember(verdicts: Mapping[_Stamp | None, Verdict]) -> None:
    """Keep what is sound; what is broken is examined at every start, in case somebody mended it or Pillow learnt it."""
    rows = [(s.name, s.size, s.mtime_ns, v.digest) for s, v in verdicts.items() if s is not None and not v.error]
    if rows:
        _with_memory(lambda memory: memory.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", rows))


def _with_memory(action: Callable[[sqlite3.Connection], object]) -> None:
    """Run `action` on what is remembered, or go on without where no memory can be kept."""
    file = cache_folder() / _FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            _run(file, action)
        except sqlite3.OperationalError:  # read-only, full, locked for too long: somebody else's to mend
            raise
        except sqlite3.DatabaseError:  # no database any more; it holds nothing that cannot be found again
            file.unlink(missing_ok=True)
            _run(file, action)
    except (OSError, sqlite3.Error) as error:
        _LOG.warning(
            "%s: images are checked at every start, for this file cannot be kept (%s); set CLOSEGAP_CACHE", file, error
        )


def _run(file: Path, action: Callable[[sqlite3.Connection], object]) -> None:
    with closing(sqlite3.connect(file, timeout=30)) as memory, memory:
        memory.execute(_TABLE)
        action(memory)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
