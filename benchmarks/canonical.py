"""Canonical alignment of a large set on disk: time, and memory beyond the mapped rows.

    python benchmarks/canonical.py --pairs 1000000 --width 512

`one pass` fits with all settings given, `chosen` chooses them by five folds. The set is in a temporary folder and is
read through the page cache; `anonymous_mib` is the peak of what the process holds beyond what it held before.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from measure import STATUS, apart, options, write
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.posthoc import Canonical

FORMS = {"one pass": Canonical(dim=64, ridge=1.0, power=1.0, keep=0.0), "chosen": Canonical()}
_AT_ONCE = 100_000


def written(pairs: int, width: int, folder: Path) -> Path:
    """A set of noisy pairs with a gap, on disk."""
    generator = torch.Generator().manual_seed(0)
    rows = {name: torch.empty(pairs, width) for name in ("image", "text")}
    for first in range(0, pairs, _AT_ONCE):
        part = slice(first, min(first + _AT_ONCE, pairs))
        common = torch.randn(part.stop - part.start, width, generator=generator)
        for name, place in (("image", 0.2), ("text", -0.2)):
            rows[name][part] = normalize(common + torch.randn(common.shape, generator=generator) + place, dim=1)
    path = folder / "set.safetensors"
    EmbeddingSet(rows, [str(row) for row in range(pairs)]).save(path)
    return path


def measure(form: str, path: str) -> dict[str, float]:
    given, method = EmbeddingSet.load(Path(path)), FORMS[form]
    held = _anonymous()
    peak, done = held, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, _anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started, started_cpu = time.perf_counter(), time.process_time()
    method.fit(given)
    took = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}
    done.set()
    watcher.join()
    return {**took, "anonymous_mib": (peak - held) / 2**20}


def _anonymous() -> int:
    """Bytes that this process holds beside files."""
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


def main() -> None:
    given = options(__doc__, pairs=[100_000, 1_000_000], width=512)
    rows: list[dict[str, Any]] = []
    for pairs in given.pairs:
        with tempfile.TemporaryDirectory() as folder:
            path = apart(written, pairs, given.width, Path(folder))
            rows += [{"form": form, "pairs": pairs, **apart(measure, form, str(path))} for form in FORMS]
    write("canonical", rows, ["form", "pairs", "seconds", "cpu_seconds", "anonymous_mib"], given.out)


if __name__ == "__main__":
    main()
