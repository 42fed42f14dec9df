"""What an index of a billion rows would take, on paper: bytes, machines, processor time and money of a question.

    python benchmarks/index_cost.py --rows 1000000 100000000 1000000000

Computed from constants that `index.py` measures, given as options, and from what a machine has; nothing is run. Exact
searches read every row, so that they are divided among as many machines as hold what is read in memory, or as many as
answer in time. A search of both modalities reads both.
"""

from math import ceil
from typing import Any

from measure import options, write

DAY = 86_400


def plan(rows: int, given: Any, storage: str) -> dict[str, Any]:
    """Machines and costs for `rows` cases of two modalities."""
    disk, memory, seconds = {
        "float32": (given.disk_float32, 4 * given.width, given.float32),
        "float16": (given.disk_float16, 2 * given.width, given.float16),
        "sq8": (given.disk_sq8, given.width, given.sq8),
    }[storage]
    total = 2 * rows
    by_memory = ceil(total * memory / (given.memory * 2**30))
    core_seconds = total * seconds / 1e6
    by_time = ceil(core_seconds / (given.cores * given.within))
    machines = max(by_memory, by_time, 1)
    return {
        "rows": rows,
        "storage": storage,
        "disk_tb": total * disk / 1e12,
        "memory_tb": total * memory / 1e12,
        "machines": machines,
        "core_s_question": core_seconds,
        "seconds_question": core_seconds / (machines * given.cores),
        "questions_day": machines * given.cores * DAY / core_seconds,
        "price_1000": 1000 * core_seconds * given.price / given.cores / 3600,
    }


def main() -> None:
    given = options(
        __doc__ or "",
        rows=[1_000_000, 10_000_000, 100_000_000, 1_000_000_000],
        width=512,
        float32=0.149,  # seconds of a core for a million rows, by storage
        float16=0.0855,
        sq8=0.046,
        disk_float32=2162.0,  # bytes of a row
        disk_float16=1138.0,
        disk_sq8=2681.0,
        memory=200.0,  # GiB of a machine that rows may take
        cores=32,
        within=1.0,  # seconds for a question
        price=1.5,  # of a machine and hour, in whatever currency
    )
    found = [plan(rows, given, storage) for rows in given.rows for storage in ("float32", "float16", "sq8")]
    columns = ["rows", "storage", "disk_tb", "memory_tb", "machines", "core_s_question", "seconds_question"]
    write("index_cost", found, [*columns, "questions_day", "price_1000"], given.out)


if __name__ == "__main__":
    main()
