"""A folder that one command at a time writes to."""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from closegap.disk import make_folder, writing
from closegap.distributed import rank
from closegap.errors import ClosegapError
from closegap.files import sweep

_LOCK = ".closegap.lock"
_OWNER = ".closegap.owner"


@contextmanager
def locked(folder: Path, verb: str) -> Iterator[None]:
    """Hold `folder` while it is written to; what kills left unfinished in it is swept first.

    The lock ends with the process, however that ends, and leaves no file. A process that holds a folder may lock it
    again. Of processes that train together, the first one locks.

    Args:
        folder: made if needed, and removed again if nothing was put into it.
        verb: the command, for whoever comes second.

    Raises:
        ClosegapError: another process holds it, or it cannot be written to.
    """
    if rank() > 0:
        yield
        return
    with writing(folder / _LOCK):
        made = make_folder(folder)
        lock = FileLock(folder.resolve() / _LOCK, timeout=0, is_singleton=True)
        try:
            _acquire(lock)
        except Timeout:
            raise ClosegapError(f"{folder}: in use by {_owner(folder)}; wait until it is done, or stop it") from None
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            sweep(folder)
            with writing(folder / _OWNER):
                (folder / _OWNER).write_text(json.dumps(_myself(verb)), encoding="utf-8")
        yield
    finally:
        if outermost:
            _leave(folder, made)
        lock.release()


def _acquire(lock: BaseFileLock) -> None:
    """Lock the file that has the name, not one that its last holder deleted between our opening and our locking it."""
    while True:
        descriptor = os.open(lock.lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock.acquire()
            with suppress(FileNotFoundError):
                # What had the name before and has it still, had it in between: a deleted file does not come back.
                if os.path.samestat(os.fstat(descriptor), Path(lock.lock_file).stat()):
                    return
            lock.release()
        finally:
            os.close(descriptor)


def contents(folder: Path) -> list[Path]:
    """What lies in a folder, but for the lock's own files."""
    return [path for path in folder.iterdir() if path.name not in (_LOCK, _OWNER)]


def _myself(verb: str) -> dict[str, object]:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"verb": verb, "process": os.getpid(), "host": socket.gethostname(), "since": since}


def _owner(folder: Path) -> str:
    """Who holds the folder, in words."""
    try:
        found = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return "`closegap {verb}` (process {process} on {host}, since {since})".format(**found)
    except (OSError, ValueError, TypeError, KeyError):
        return "another command"  # that has just come or is just leaving


def _leave(folder: Path, made: Iterable[Path]) -> None:
    """Take the lock's own files out of the folder, and folders away that were made for nothing."""
    with suppress(OSError):
        (folder / _OWNER).unlink(missing_ok=True)
        (folder / _LOCK).unlink(missing_ok=True)
        for path in made:
            path.rmdir()
