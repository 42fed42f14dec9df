"""Eight clients of `closegap serve` beside writes, deletes and new corrections: no error, and memory that stays.

    python -m acceptance.soak --seconds 600
    python -m acceptance.soak --seconds 60 --archive DIR     on a copy of such an archive

The last line is a summary; the exit code is 1 if a request failed, a deleted case was found, or memory grew by more
than a tenth from the second quarter of the time to the last.
"""

import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from acceptance.hostile import watched

_CLIENTS = 8
_GROWTH = 1.1


def main(arguments: list[str]) -> int:
    """Run it; 1 if anything was found."""
    from tests.search.archives import built

    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    seconds = float(given.get("--seconds", 600))
    with tempfile.TemporaryDirectory() as root:
        archive = Path(root) / "archive"
        if "--archive" in given:
            shutil.copytree(given["--archive"], archive)
        else:
            built(archive)
        with watched(archive, Path(root)) as (port, _):
            soak = _Soak(port, archive, time.monotonic() + seconds)
            threads = [threading.Thread(target=soak.client, args=(number,)) for number in range(_CLIENTS)]
            threads.append(threading.Thread(target=soak.writer))
            for thread in threads:
                thread.start()
            sizes = soak.watch()
            for thread in threads:
                thread.join()
        traced = "Traceback" in (Path(root) / "said.txt").read_text()
    quarter = max(1, len(sizes) // 4)
    before, after = (sum(part) / len(part) / 2**20 for part in (sizes[quarter : 2 * quarter], sizes[-quarter:]))
    found = soak.found + (["a traceback in the log"] if traced else [])
    found += [f"memory grew from {before:.0f} to {after:.0f} MiB"] if after > _GROWTH * before else []
    for line in found[:20]:
        print(f"  {line}")
    counted = ", ".join(f"{number} x {what}" for what, number in sorted(soak.done.items()))
    print(
        f"SOAK {seconds:.0f} s, {_CLIENTS} clients: {counted}; {before:.0f} to {after:.0f} MiB; {len(found)} findings"
    )
    return int(bool(found))


class _Soak:
    """What the threads share."""

    def __init__(self, port: int, archive: Path, until: float) -> None:
        self.port, self.archive, self.until = port, archive, until
        self.done, self.found, self.gone = Counter[str](), list[str](), set[str]()
        self.lock = threading.Lock()

    def client(self, number: int) -> None:
        """Ask, look at items, follow links; one of them deletes."""
        drawn = random.Random(number)
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=120) as client:
            while time.monotonic() < self.until:
                gone = set(self.gone)
                case = f"c{drawn.randrange(60):03}"
                answer = client.post("/v1/search", json={"cases": [{"id": case}], "k": 20})
                self._expect("search", answer, 200)
                hits = answer.json().get("corrected", [])
                if back := gone & {hit["case"] for hit in hits}:
                    self._wrong(f"deleted, and found: {sorted(back)}")
                self._expect("item", client.get(f"/v1/cases/{case}"), 200)
                if not number:
                    self._delete(client, f"c{drawn.randrange(60, 120):03}")
                    time.sleep(0.2)

    def writer(self) -> None:
        """Add rows, and let other corrections hold, as another process does."""
        from tests.search.archives import embedded

        from closegap.search.archive.archive import Archive
        from closegap.search.archive.changing import add, refit
        from closegap.search.archive.feed_of_set import FeedOfSet
        from closegap.search.archive.fitting import Wanted

        seed = 1
        while time.monotonic() < self.until:
            seed += 1
            further = embedded(cases=20, seed=seed)
            stage = "none" if seed % 2 else "zscore"
            renamed = replace(further, ids=[f"w{seed % 5}-{name}" for name in further.ids])
            for what, change in (
                ("add", lambda opened, rows=renamed: add(opened, FeedOfSet(rows))),
                ("fit", lambda opened, stage=stage: refit(opened, Wanted(scores=stage))),
                ("purge", lambda opened: opened.purge()),
            ):
                self._write(Archive, what, change)
            time.sleep(0.5)

    def watch(self) -> list[int]:
        """Bytes in memory of the service, once a second."""
        listening = [one for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == self.port]
        process, sizes = psutil.Process(next(one.pid for one in listening if one.status == "LISTEN")), list[int]()
        while time.monotonic() < self.until:
            sizes.append(process.memory_info().rss)
            time.sleep(1)
        return sizes

    def _delete(self, client: httpx.Client, case: str) -> None:
        answer = client.delete(f"/v1/cases/{case}")
        self._expect("delete", answer, 200, 404, 503)  # 503 while another process writes
        if answer.status_code == 200:
            self.gone.add(case)

    def _write(self, archive: Any, what: str, change: Any) -> None:
        from closegap.errors import ClosegapError

        try:
            with archive(self.archive, "write") as opened:
                change(opened)
            self._count(what)
        except ClosegapError as error:
            if "in use" not in str(error):
                self._wrong(f"{what}: {error}")
            self._count(f"{what} waited")

    def _expect(self, what: str, answer: httpx.Response, *statuses: int) -> None:
        self._count(f"{what} {answer.status_code}")
        if answer.status_code not in statuses:
            self._wrong(f"{what}: {answer.status_code} {answer.text[:200]}")

    def _count(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1

    def _wrong(self, what: str) -> None:
        with self.lock:
            self.found.append(what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
