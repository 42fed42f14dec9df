"""Hostile requests to `closegap serve`: each is answered or refused in one line, and nothing else happens.

    python -m acceptance.hostile --count 2000 --seed 0

The service runs under audit hooks: after its start it may open what lies in its archive and its log, and connect to
nothing. The last line is a summary; the exit code is 1 if anything was found.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from acceptance.attack import Attack
from acceptance.requests import KINDS

_WATCHED = """
import os, sys
seen = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hook(event, arguments):
    if event in ("open", "socket.connect", "socket.getaddrinfo", "os.system", "subprocess.Popen", "os.posix_spawn"):
        try:
            what = arguments[1 if event == "socket.connect" else 0]
            os.write(seen, f"{event}\\t{what!r}\\n".encode("utf-8", "replace"))
        except Exception:
            pass
sys.addaudithook(hook)
from closegap.cli import main
sys.exit(main(sys.argv[1:]))
"""
_PATIENCE = 60.0
_AT_ONCE = 8


def main(arguments: list[str]) -> int:
    """Send the requests; 1 if anything was found."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    count, seed = int(given.get("--count", 2000)), int(given.get("--seed", 0))
    with tempfile.TemporaryDirectory() as root:
        archive = Path(given["--archive"]) if "--archive" in given else _built(Path(root) / "archive")
        with watched(archive, Path(root)) as (port, seen):
            began, quiet = time.monotonic(), seen.stat().st_size
            statuses, found = Counter[str](), list[str]()

            def sent(number: int) -> tuple[str, str, str]:
                name = list(KINDS)[number % len(KINDS)]
                return f"{name}:{number}", *judged(port, KINDS[name](random.Random(f"{seed}/{number}")))

            with ThreadPoolExecutor(_AT_ONCE) as clients:  # some are left waiting for ten seconds
                for name, status, problem in clients.map(sent, range(count)):
                    statuses[status] += 1
                    found += [f"{name}: {problem}"] if problem else []
            found += outside(seen.read_bytes()[quiet:].decode(errors="replace"), archive, Path(root))
            alive = judged(port, KINDS["sound"](random.Random(0)))
            found += [] if alive[0] == "200" else [f"does not answer any more: {alive}"]
        found += ["a traceback in the log"] if "Traceback" in (Path(root) / "said.txt").read_text() else []
    for line in found:
        print(f"  {line}")
    counted = ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))
    took = f"seed {seed}, {time.monotonic() - began:.0f} s"
    print(f"HOSTILE {count} requests of {len(KINDS)} kinds, {took}: {counted}; {len(found)} findings")
    return int(bool(found))


@contextmanager
def watched(archive: Path, root: Path, *options: str) -> Iterator[tuple[int, Path]]:
    """A service under audit hooks: its port, and the file of what it opens and connects to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    seen, temporary = root / "seen.txt", root / "temporary"
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-c", _WATCHED, str(seen), "serve", str(archive), "--port", str(port), "--rate", "1e6"]
    command += ["--burst", "1000000", "--log", str(root / "audit.jsonl"), *options]
    with (root / "said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | {"TMPDIR": str(temporary)})
    try:
        until = time.monotonic() + 600
        while judged(port, KINDS["sound"](random.Random(0)))[0] != "200":
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((root / "said.txt").read_text())
            time.sleep(0.2)
        yield port, seen
    finally:
        process.terminate()
        process.wait(60)


def judged(port: int, attack: Attack) -> tuple[str, str]:
    """The status of a request's response, and what is wrong with it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
                for piece in attack.pieces:
                    connection.sendall(piece)
                if attack.half:
                    return "half-open", ""
            answer = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(65_536):
                    answer += piece
    except TimeoutError:
        return "hang", "no answer"
    except OSError as error:
        return "refused", type(error).__name__
    if not answer:
        return "closed", "" if attack.may_close else "closed without an answer"
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: (\d+)", head)
    body, more = (rest[: int(length[1])], rest[int(length[1]) :]) if length else (rest, b"")
    status = head.split(b" ", 2)[1].decode() if head.startswith(b"HTTP/1.1 ") else "none"
    if not status.startswith(("2", "4")):
        return status, f"status {status}: {body[:200]!r}"
    if b"Traceback" in answer or b"site-packages" in answer or b"root:x:" in answer:
        return status, f"told too much: {body[:200]!r}"
    if attack.refused and (status.startswith("2") or b"HTTP/1.1 2" in more):
        return status, f"taken, expected a refusal: {attack.pieces[0][:120]!r}"
    if body and status.startswith("4") and b"application/json" in head and "\n" in str(json.loads(body)["error"]):
        return status, "more than one line"
    return status, ""


def outside(seen: str, archive: Path, root: Path) -> list[str]:
    """What the service opened, or connected to, that is none of its own."""
    own = "/dev/shm/closegap-serve-"  # what its workers share
    allowed = (str(archive), str(root), own, sys.prefix, sys.base_prefix, str(Path(__file__).parents[1] / "src"))
    found = dict.fromkeys(
        line
        for line in seen.splitlines()
        if not line.startswith("open\t") or not line.partition("\t")[2].strip("'\"b").startswith(allowed)
    )
    return [f"outside: {line}" for line in found if not line.removeprefix("open\t").isdecimal()]


def _built(out: Path) -> Path:
    from tests.search.archives import built

    return built(out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
