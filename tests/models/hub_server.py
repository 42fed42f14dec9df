"""A real server of the hub's protocol, that serves repositories of git from a folder.

It takes no uploads, and of a file that a repository lacks it says that there is no such repository: what looks for
files that need not be there, as transformers does, takes what was downloaded whole before.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = shutil.which("olah-cli", path=os.pathsep.join([f"{sys.prefix}/hub/bin", os.environ.get("PATH", "")]))
_AUTHOR = {f"GIT_{role}_{what}": "closegap" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_CONFIG = """
[basic]
host = "127.0.0.1"
port = {port}
mirror-scheme = "http"
mirror-netloc = "127.0.0.1:{port}"
mirrors-path = ["{folder}"]
repos-path = "{folder}/cache"
[accessibility]
offline = true
"""


def committed(folder: Path, tag: str) -> None:
    """Keep what a folder holds as a commit with a tag, in the repository that it is."""
    environment = {**os.environ, **_AUTHOR}
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", tag],
        ["tag", tag],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, env=environment)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve `models/ORGANISATION/NAME` below a folder; the address."""
    assert SERVER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "server.toml").write_text(_CONFIG.format(port=port, folder=folder), encoding="utf-8")
    command = [SERVER, "--config", str(folder / "server.toml")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not _listens(port):
                assert process.poll() is None, "the server of a hub did not start"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
