"""Columns beside arrays: ids, groups, labels and concepts in text, CSV, NumPy and Parquet files."""

import io
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acceptance.inputs.arrays import ROWS, good, malformed_npy, npy
from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import STRANGE, Payload, flipped

_OPTIONS = ("--ids", "--groups", "--labels", "--relevance")
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32")


def make(place: Place) -> Case:
    """An audit of sound arrays with a malformed column."""
    random = place.random
    for name in "ab":
        Path(f"{name}.npy").write_bytes(npy(good(random)))
    suffix = random.choice(
        [".txt", ".csv", ".npy", ".parquet", random.choice([".tsv", "", ".json", ".TXT", ".csv.gz"])]
    )
    option, path = random.choice(_OPTIONS), Path(f"column{suffix}")
    values = [f"{random.choice('abc')}{number if option == '--ids' else ''}" for number in range(ROWS)]
    sound = suffix == ".txt" and random.random() < 0.2
    for _ in range(0 if sound else random.randint(0, 4)):
        values[random.randrange(ROWS)] = random.choice(STRANGE)
    if not sound and random.random() < 0.25:
        values = values[: random.randrange(ROWS)] if random.random() < 0.5 else values * 2
    content = {".npy": _npy, ".parquet": _parquet}.get(suffix, _text)(random, values) if not sound else _lines(values)
    path.write_bytes(content if sound or random.random() < 0.8 else flipped(random, content))
    key = "" if sound else random.choice(["", "", "", ":x", ":zzz"])
    arguments = ["audit", "a.npy", "b.npy", option, f"{path}{key}", "--metrics", random.choice(["quick", "tasks"])]
    return Case([*arguments, "--resamples", "2", "--out", "out"], "taken" if sound else "any")


def _lines(values: list[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def _text(random: Random, values: list[str]) -> bytes:
    heads = ["x", "x,y", "", '"x', "x,x", "<script>", '"a"b"', "h" * 140_000]
    cells = [f'"{value}"' for value in values] if random.random() < 0.3 else values
    end = random.choice(["\n", "\n", "\r\n", "\r", ""])
    text = end.join([random.choice(heads), *cells]) if random.random() < 0.5 else end.join(values)
    if random.random() < 0.04:
        text = "x\n" + "a" * 200_000
    return text.encode(random.choice(_ENCODINGS), "replace")


def _npy(random: Random, values: list[str]) -> bytes:
    kind = random.randrange(8)
    if kind == 0:
        return malformed_npy(random)
    if kind == 1:
        return npy(np.array([Payload(), *values[1:]], dtype=object), pickled=True)
    arrays = (
        np.arange(ROWS),
        np.arange(ROWS) * 1.5,
        np.arange(2 * ROWS).reshape(ROWS, 2),
        np.array([b"\xff\xfe"] * ROWS),
    )
    odd = (*arrays, np.array(["2020-01-01"] * ROWS, dtype="M8[D]"), np.array([np.nan] * ROWS))
    return npy(random.choice(odd) if kind < 5 else np.array(values))


def _parquet(random: Random, values: list[str]) -> bytes:
    columns = [
        *(
            pa.array(values),
            pa.array(range(ROWS)),
            pa.array([1.5] * ROWS),
            pa.array([None] * ROWS),
            pa.array([["a", "b"]] * ROWS),
        ),
        *(pa.array([[None]] * ROWS), pa.array([b"\xff"] * ROWS), pa.array([True] * ROWS), pa.array([{"a": 1}] * ROWS)),
        *(pa.array(["a"] * ROWS).dictionary_encode(), pa.array([[["a"]]] * ROWS), pa.array([10**18] * ROWS)),
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.table({random.choice(["x", "", "y:z", "<b>"]): random.choice(columns)}), buffer)
    return buffer.getvalue()
