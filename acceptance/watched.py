"""What a command may never do on behalf of its input: start programs, run code that came with it, open connections."""

import sys
from collections.abc import Sequence
from typing import Any

from acceptance.inputs.damage import SENTINEL

_NEVER = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn")
_NETWORK = ("socket.connect", "socket.sendto", "urllib.Request", "ftplib.connect")
_HARMLESS = (("subprocess.Popen", "git"), ("subprocess.Popen", "uname"), ("subprocess.Popen", "lscpu"))


class Watch:
    """Notes what this process runs, from now on and for good."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: Sequence[Any]) -> None:
        if event in _NEVER or event in _NETWORK:
            said = f"{event} {arguments!r}"
            if not any(event == known and program in said for known, program in _HARMLESS):
                self.ran.append(said[:200])
        elif event == "import" and "sentinel" in str(arguments[0]):
            self.ran.append(f"import {arguments[0]}")


SENTINEL_MODULE = f"open({SENTINEL!r}, 'w').close()\n"
"""A module whose import leaves the sentinel."""
