"""The archive that a worker has open: opened again where its folder was replaced."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closegap.search.archive.about import ABOUT
from closegap.search.archive.archive import Archive


class Held:
    """One archive for many threads; what is replaced is closed once nobody uses it any more.

    New rows and corrections in the folder are seen by each question; another folder in its place, of another build, by
    the next `use`.

    Args:
        folder: of the archive.
        trusted: import paths of further parts that may be loaded.
    """

    def __init__(self, folder: Path, trusted: tuple[str, ...] = ()) -> None:
        self._folder, self._trusted = folder, trusted
        self._lock = threading.Lock()
        self._archive: Archive | None = None
        self._state: tuple[int, ...] = ()
        self._users: dict[int, int] = {}

    @contextmanager
    def use(self) -> Iterator[Archive]:
        """The archive as it is now.

        Raises:
            UsageError: no archive is there.
            DataError: a damaged one.
        """
        with self._lock:
            archive = self._newest()
            self._users[id(archive)] = self._users.get(id(archive), 0) + 1
        try:
            yield archive
        finally:
            with self._lock:
                self._users[id(archive)] -= 1
                if not self._users[id(archive)]:
                    del self._users[id(archive)]
                    if archive is not self._archive:
                        archive.close()

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            archive, self._archive = self._archive, None
            if archive is not None and id(archive) not in self._users:
                archive.close()

    def _newest(self) -> Archive:
        try:
            found = (self._folder / ABOUT).stat()
            state: tuple[int, ...] = (found.st_dev, found.st_ino, found.st_mtime_ns)
        except OSError:
            state = ()
        if self._archive is None or state != self._state:
            fresh = Archive(self._folder, "read", self._trusted)
            stale, self._archive, self._state = self._archive, fresh, state
            if stale is not None and id(stale) not in self._users:
                stale.close()
        return self._archive
