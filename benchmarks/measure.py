"""What the benchmarks share: a fresh process for every measurement, time and peak memory, JSON and Markdown.

row = {"form": "tiled", "rows": 8192} | apart(measure_one, "tiled", 8192)       # measure_one calls `measured`
write("losses", [row], ["form", "rows", "seconds", "extra_mib"], options.out)
"""

import json
import platform
import resource
import statistics
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch

R = TypeVar("R")

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


def apart(function: Callable[..., R], *arguments: Any) -> R:
    """What a module-level function returns in a fresh process: no measurement sees the memory of another."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measured(work: Callable[[], Any], repeats: int = 3) -> dict[str, float]:
    """Time and memory of `work` in this process, whose inputs are ready and whose libraries are warm.

    Returns:
        `seconds`: median wall time. `cpu_seconds`: median over all threads, steadier on a busy machine.
        `fastest`, `slowest`: wall seconds. `extra_mib`: peak memory beyond what the process held before.
    """
    on_gpu = torch.cuda.is_available()
    before = _reset_peak(on_gpu)
    wall, cpu = [], []
    for _ in range(repeats):
        started, started_cpu = time.perf_counter(), time.process_time()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - started_cpu)
    return {
        "seconds": statistics.median(wall),
        "fastest": min(wall),
        "slowest": max(wall),
        "cpu_seconds": statistics.median(cpu),
        "extra_mib": (peak(on_gpu) - before) / 2**20,
    }


def options(description: str, **defaults: Any) -> Any:
    """The command line: `--out FOLDER`, and an option of the default's type for each keyword; lists take several."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON and the Markdown")
    for name, default in defaults.items():
        several = isinstance(default, list)
        kind = type(default[0] if several else default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, nargs="+" if several else None)
    return parser.parse_args()


def write(name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], folder: Path) -> None:
    """Write NAME.json (all that was measured, and where) and NAME.md (a table of `columns`), and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({**environment(), "rows": list(rows)}, indent=1) + "\n")
    table = markdown(rows, columns)
    (folder / f"{name}.md").write_text(table)
    print(table)


def markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A table with three significant digits; a value that a row lacks is blank."""
    lines = [columns, ["---"] * len(columns), *([_shown(row.get(column, "")) for column in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def environment() -> dict[str, Any]:
    """Where the numbers come from."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [
            line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
        ]
        processor = models[0] if models else processor
    return {
        "processor": processor,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _reset_peak(on_gpu: bool) -> int:
    """Bytes held now; the peak counts from here where the system lets us reset it."""
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
        return _status("VmRSS")
    return peak(on_gpu)


def peak(on_gpu: bool = False) -> int:
    """Bytes held at most."""
    if on_gpu:
        return torch.cuda.max_memory_allocated()
    if STATUS.exists():
        return _status("VmHWM")
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    """A field of the kernel's account of this process, in bytes."""
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == f"{field}:")
