"""Tables of cases (CSV, TSV, JSONL, Parquet) with cells, rows and files that are not what they should be."""

import csv
import io
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import STRANGE, flipped
from acceptance.tiny import COLUMNS, manifest, rows, write, write_images

_PLACES = (
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "../" * 40 + "etc/shadow",
        "http://example.org/a.png",
        "images/0.png\0",
        "images",
    ),
    *(".", "~/x.png", "images/" + "a" * 300 + ".png", "/dev/zero", "/proc/self/environ", "cases.csv", "a" * 5000),
)
_NUMBERS = ("nan", "inf", "1e400", "forty", "0x10", "1_000", "\uff11\uff12", "1,5", "--", "1e5", " 7 ", "9" * 500)
_SPLITS = ("TRAIN", "Val", "dev", "training", "", " test ", "0", "\x1b]0;title\x07", "=cmd")
_JSON: tuple[Any, ...] = (
    *(
        None,
        5,
        1.5,
        [],
        ["a", "b"],
        {"a": 1},
        True,
        [None],
        [[1]],
        "\ud800",
        float("nan"),
        10**400,
        {"\ud800": "x"},
        "\u2028",
    ),
)
_LINES = (
    *(
        "[]",
        "5",
        "null",
        "{",
        "[" * 3000,
        '{"a":' * 100_000,
        "NaN",
        '"x"',
        "{}",
        "1" * 5000,
        '{"id": ' + "1" * 5000 + "}",
    ),
    *('{"id": "x", "id": "y"}', "\0", '{"id": 1e999}'),
)
_FILES = ("nowhere.csv", "/etc/passwd", "/dev/zero", ".", "cases.xlsx", "images/0.png")


def make(place: Place) -> Case:
    """Shards written from a malformed table."""
    random = place.random
    write_images(Path("images"), 9)
    found: list[dict[str, Any]] = [dict(row) for row in rows(4, 2, 2)]
    sound = random.random() < 0.05
    for _ in range(0 if sound else random.randint(1, 3)):
        _spoil(random, found)
    suffix = random.choice([".csv", ".csv", ".tsv", ".jsonl", ".jsonl", ".parquet"])
    path = f"cases{suffix}"
    writers = {".jsonl": _jsonl, ".parquet": _parquet, ".tsv": _tabbed}
    content = writers.get(suffix, _delimited)(random, found, sound)
    Path(path).write_bytes(content if sound or random.random() < 0.85 else flipped(random, content))
    if not sound and random.random() < 0.03:
        path = random.choice(_FILES)
    extra = {} if sound or random.random() < 0.7 else {"views": "merge"}
    data = manifest(path, group="patient", labels=["sex"], **extra)
    checks = {
        "on_error": "raise" if sound else random.choice(["raise", "skip"]),
        "max_skipped": random.choice([0.05, 1.0]),
    }
    config = write("config.json", {"data": data, "checks": checks})
    return Case(["shard", "--config", config, "--out", "out"], "taken" if sound else "any")


def _spoil(random: Random, found: list[dict[str, Any]]) -> None:
    row, what = random.choice(found), random.randrange(11)
    if what == 0:
        row[random.choice(COLUMNS)] = random.choice(STRANGE)
    elif what == 1:
        row["id"] = random.choice(found)["id"]
    elif what == 2:
        row["image"] = random.choice(_PLACES)
    elif what == 3:
        row["report"] = "word " * random.choice([10**4, 3 * 10**5])
    elif what == 4:
        row["split"] = random.choice(_SPLITS)
    elif what == 5:
        row["patient"] = "p0"
    elif what == 6:
        row[random.choice(COLUMNS)] = random.choice(["", None])
    elif what == 7:
        row["age"] = random.choice(_NUMBERS)
    elif what == 8:
        row["more"] = "1"
    elif what == 9:
        link = Path(f"images/link{random.randrange(10**6)}.png")
        link.symlink_to(random.choice(["/etc/passwd", "0.png", link.name, "/dev/zero", ".."]))
        row["image"] = str(link)
    else:
        pipe = f"images/pipe{random.randrange(10**6)}.png"
        os.mkfifo(pipe)
        row["image"] = pipe


def _tabbed(random: Random, found: list[dict[str, Any]], sound: bool) -> bytes:
    return _delimited(random, found, sound, "\t")


def _delimited(random: Random, found: list[dict[str, Any]], sound: bool, delimiter: str = ",") -> bytes:
    buffer, header, change = io.StringIO(newline=""), list(COLUMNS), 0.5 if sound else random.random()
    if change < 0.05:
        header[random.randrange(len(header))] = random.choice(["id", "", "ID", "more"])
    elif change > 0.97:
        header.append("h" * 140_000)
    ends = ["\n"] if sound else ["\n", "\r\n", "\r"]
    quoting: Any = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    table = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=random.choice(ends))
    table.writerow(header)
    for row in found:
        values = ["" if row.get(column) is None else row[column] for column in COLUMNS]
        if not sound and random.random() < 0.04:
            values = values[:-1] if random.random() < 0.5 else [*values, "x"]
        table.writerow(values)
    encodings = ["utf-8"] if sound else ["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]
    return buffer.getvalue().encode(random.choice(encodings), "replace")


def _jsonl(random: Random, found: list[dict[str, Any]], sound: bool) -> bytes:
    lines = []
    for row in found:
        if not sound and random.random() < 0.12:
            row[random.choice(COLUMNS)] = random.choice(_JSON)
        odd = not sound and random.random() < 0.03
        lines.append(random.choice(_LINES) if odd else json.dumps(row, ensure_ascii=random.random() < 0.9))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _parquet(random: Random, found: list[dict[str, Any]], sound: bool) -> bytes:
    made = {}
    for name in COLUMNS:
        values, n = [row.get(name) for row in found], len(found)
        odd: list[list[Any]] = [
            list(range(n)),
            [1.5] * n,
            [[value] for value in values],
            [b"\xff"] * n,
            [{"a": 1}] * n,
            [None] * n,
        ]
        made[name] = pa.array(values if sound or random.random() < 0.9 else random.choice(odd))
    buffer = io.BytesIO()
    pq.write_table(pa.table(made), buffer, compression=random.choice(["snappy", "none"]))
    return buffer.getvalue()
