"""A moment in a command's life: the N-th change that it makes below a folder, seen through Python's audit hooks."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")


@dataclass(frozen=True)
class Moment:
    """What happens right before the N-th change below a folder.

    Args:
        folder: changes elsewhere do not count.
        what: "kill" and "stop" send the signal to the process itself, "full" fails every later opening for writing as
            a full disk does.
        number: of the change, from 1; 0 lets all of them pass, which are counted.
    """

    folder: Path
    what: Literal["kill", "stop", "full"] = "kill"
    number: int = 0


class Changes:
    """Counts this process's changes below a folder, from now on and for good, and lets the moment happen.

    Args:
        moment: when what happens.
    """

    def __init__(self, moment: Moment) -> None:
        self.count = 0
        self._moment, self._below = moment, os.path.abspath(moment.folder)
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: Sequence[Any]) -> None:
        opening = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        if not opening and event not in _CHANGES:
            return
        if not any(place.startswith(self._below) for place in _places(event, arguments)):
            return
        self.count += 1
        number = self._moment.number
        if self._moment.what == "full":
            if opening and 0 < number <= self.count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), arguments[0])
        elif self.count == number:
            os.kill(os.getpid(), signal.SIGKILL if self._moment.what == "kill" else signal.SIGSTOP)


def _places(event: str, arguments: Sequence[Any]) -> list[str]:
    """Absolute paths of what an event changes."""
    if event == "os.rename":
        pairs = [(arguments[0], arguments[2]), (arguments[1], arguments[3])]
    elif event in ("os.remove", "os.rmdir"):
        pairs = [(arguments[0], arguments[1])]
    elif event in ("os.mkdir", "os.chmod"):
        pairs = [(arguments[0], arguments[2])]
    elif event in ("os.link", "os.symlink"):
        pairs = [(arguments[1], -1)]
    else:
        pairs = [(arguments[0], -1)]
    return [place for path, folder in pairs if (place := _absolute(path, folder)) is not None]


def _absolute(path: Any, folder: Any) -> str | None:
    try:
        if isinstance(path, int):  # an open file
            return os.readlink(f"/proc/self/fd/{path}")
        name = os.fsdecode(path)
        if isinstance(folder, int) and folder >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
        return os.path.abspath(name)
    except (OSError, TypeError, ValueError):
        return None
