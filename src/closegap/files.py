"""Files that are whole or absent: write beside the target, then rename into place.

What is renamed has been synced, and so is the folder then: after a power cut, too, a name leads to all of the old
content, all of the new, or nothing.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from closegap.disk import make_folder, sync, writing

_UNFINISHED = ".unfinished"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to it on success, removed on failure.

    Raises:
        ClosegapError: the disk is full or read-only, the folder belongs to somebody else.
    """
    with writing(path), _stand_in(path) as temporary:
        yield temporary
        _finish(temporary)
        _place(temporary, path)


@contextmanager
def whole_files(seal: Path, *others: Path) -> Iterator[tuple[Path, ...]]:
    """Temporary paths beside files that belong together; renamed to them on success, removed on failure.

    The seal goes first and comes last. Whoever finds it finds the files that were written with it beside it, whatever
    moment a kill or a power cut struck; where it is missing, so is the set.

    Args:
        seal: the file that a reader of the set looks for.
        others: the rest of the set.

    Raises:
        ClosegapError: the disk is full or read-only, a folder belongs to somebody else.
    """
    paths = (seal, *others)
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(writing(path))
        temporaries = tuple(stack.enter_context(_stand_in(path)) for path in paths)
        yield temporaries
        for temporary in temporaries:
            _finish(temporary)
        remove(seal)
        for temporary, path in reversed(list(zip(temporaries, paths, strict=True))):
            _place(temporary, path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; renamed to it on success, removed on failure. `path` must not exist.

    Raises:
        ClosegapError: the disk is full or read-only, the folder belongs to somebody else, or `path` exists.
    """
    with writing(path), _hidden_folder(path) as temporary:
        yield temporary
        for file in temporary.rglob("*"):
            sync(file)
        temporary.chmod(0o777 & ~_umask())
        sync(temporary)
        temporary.rename(path)
        sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """Delete a file, if it is there, so that it does not come back after a power cut."""
    with writing(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync(path.parent)


def sweep(folder: Path, names: str = "*") -> None:
    """Delete what kills left of the writing of files and folders in `folder`, which nobody writes to at the moment.

    Args:
        folder: where they were to be; need not exist.
        names: a pattern of what they were to be called; `glob.escape` makes one of a name.
    """
    for remains in folder.glob(f".{names}.*{_UNFINISHED}"):
        shutil.rmtree(remains, ignore_errors=True)


def digest(*parts: bytes | memoryview) -> str:
    """128-bit BLAKE2 digest of the parts, in hexadecimal; part boundaries count."""
    return stream_digest(parts)


def stream_digest(parts: Iterable[bytes | memoryview]) -> str:
    """The `digest` of parts that come one after the other, of which one at a time is in memory."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def regular(path: Path) -> Path:
    """The path, of something that reading comes to an end of: whoever opens a pipe waits for somebody to write to it.

    Raises:
        OSError: a pipe, a device or a folder.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path


def file_digest(path: Path) -> str:
    """128-bit BLAKE2 digest of the file's bytes, in hexadecimal; a large file is never held as a whole."""
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def _stand_in(path: Path) -> Iterator[Path]:
    """The path of a file of the same name in a hidden folder beside `path`, which goes in the end.

    In a folder of its own, since safetensors writes to another name beside the one that it is given.
    """
    with _hidden_folder(path) as folder:
        yield folder / path.name


@contextmanager
def _hidden_folder(path: Path) -> Iterator[Path]:
    make_folder(path.parent)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(temporary: Path) -> None:
    temporary.chmod(0o666 & ~_umask())  # safetensors' 0600 would keep colleagues out
    sync(temporary)


def _place(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    sync(path.parent)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
