"""Arrays of other programs: .npy, .npz, .safetensors and .parquet that are damaged, huge, odd or hostile."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import SHELL, Payload, cut, flipped, payload
from acceptance.inputs.judged import same_gap

ROWS, WIDTH = 24, 6
_SHAPES = (
    *("(1000000000000, 6)", "(4611686018427387904, 4)", "(2147483648, 2147483648)", "(-1, 6)", "(24, -6)", "(-24, -6)"),
    *("(0, 6)", "(24, 0)", "()", "(144,)", "(2, 12, 6)", "(True, 6)", "(24.0, 6.0)", "'24,6'", "[24, 6]", "None"),
    *("(24L, 6L)", "(1" + "0" * 4500 + ", 6)", "(" + "1," * 200 + "24, 6)", "(24, 6, 1, 1)", "(25, 6)", "(23, 6)"),
)
_TYPES = (
    *("'|O'", "'<i4'", "'<c8'", "'|V4'", "'<U1'", "'<M8[s]'", "'|b1'", "'nonsense'", "None", "5", "'<f16'", "'<f2'"),
    *(
        "[('a', '<f4')]",
        "('<f4', (2,))",
        "{'names': ['a'], 'formats': ['<f4'], 'offsets': [-4]}",
        "'>f4'",
        "'<U268435456'",
    ),
)
_TEXTS = (
    *(f"__import__('os').system('{SHELL}')", "[]", "1", "", "{", "{'descr'", "(" * 3000, "[" * 200 + "]" * 200),
    *("{" + "'a':{" * 500 + "}" * 500 + "}", "9" * 5000, "-" * 9000 + "1", "'" * 101, "\0" * 64, "lambda: 0", "{**{}}"),
)


def good(random: Random, rows: int = ROWS, width: int = WIDTH, dtype: str = "f4") -> np.ndarray:
    """An array that nothing is wrong with."""
    return np.random.default_rng(random.randrange(2**32)).normal(size=(rows, width)).astype(dtype)


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    """The bytes of a .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def headed(text: str, data: bytes, version: int = 1) -> bytes:
    """A .npy file whose header is this text, whatever it says."""
    raw = text.encode("latin1")
    size = struct.pack("<H", len(raw) & 0xFFFF) if version == 1 else struct.pack("<I", len(raw))
    return b"\x93NUMPY" + bytes((version, 0)) + size + raw + data


def malformed_npy(random: Random) -> bytes:
    """A .npy file that is none, or not of what is expected."""
    array, kind = good(random, dtype=random.choice(["f2", "f4", "f8", ">f4"])), random.random()
    if kind < 0.2:
        shape, descr = random.choice(_SHAPES), "'<f4'"
        return headed(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", array.tobytes())
    if kind < 0.35:
        descr = random.choice(_TYPES)
        return headed(f"{{'descr': {descr}, 'fortran_order': False, 'shape': (24, 6), }}", array.tobytes())
    if kind < 0.45:
        return headed(random.choice(_TEXTS), array.tobytes(), random.choice([1, 2, 3, 9]))
    if kind < 0.5:
        objects = np.full((ROWS, WIDTH), None, dtype=object)
        objects[0, 0] = Payload()
        return npy(objects, pickled=True)
    if kind < 0.55:
        return random.choice([b"", b"\x93NUMPY", payload(), b"\x93NUMPY\x02\0\xff\xff\xff\xff", random.randbytes(200)])
    if kind < 0.62:
        return npy(array) + random.randbytes(random.randint(1, 100))  # more than it says
    return cut(random, npy(array)) if kind < 0.75 else flipped(random, npy(array))


def odd_values(random: Random) -> tuple[np.ndarray, bool]:
    """An array of unusual numbers, and whether it must be refused."""
    array = good(random, dtype=random.choice(["f2", "f4", "f8"]))
    row, top = random.randrange(ROWS), np.finfo(array.dtype)
    values: list[tuple[float, bool]] = [(np.nan, True), (np.inf, True), (-np.inf, True), (0.0, True)]
    values += [(float(top.smallest_subnormal), False), (float(top.max), False), (float(top.tiny), False)]
    value, refused = random.choice(values)
    array[row if random.random() < 0.7 or not refused else slice(None)] = value
    return array, refused


def _zip(random: Random) -> bytes:
    buffer, array = io.BytesIO(), npy(good(random))
    kind = random.choice(
        ["bomb", "names", "method", "encrypted", "flip", "cut", "empty", "object", "two", "lie", "good"]
    )
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        if kind == "bomb":  # small packed, huge unpacked: the size that it declares is true
            rows = random.choice([2**22, 2**24])
            with file.open("a.npy", "w", force_zip64=True) as member:
                member.write(headed(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 16), }}", b""))
                for _ in range(rows // 2**18):
                    member.write(bytes(2**18 * 64))
        elif kind == "names":
            for name in random.sample(["../a.npy", "/a.npy", "a", "a.npy.npy", "b/", "a:b.npy", "é.npy", "a.npy"], 3):
                file.writestr(name, array)
        elif kind == "object":
            file.writestr("a.npy", npy(np.array([Payload()], dtype=object), pickled=True))
        elif kind == "two":
            file.writestr("a.npy", array)
            file.writestr("b.npy", npy(good(random)))
        elif kind != "empty":
            file.writestr("a.npy", malformed_npy(random) if kind == "lie" else array)
    content = bytearray(buffer.getvalue())
    directory = content.find(b"PK\x01\x02")
    if kind == "method":
        content[8:10] = content[directory + 10 : directory + 12] = struct.pack("<H", random.choice([1, 6, 97, 99]))
    elif kind == "encrypted":
        content[6] |= 1
        content[directory + 8] |= 1
    found = bytes(content)
    return flipped(random, found) if kind == "flip" else cut(random, found) if kind == "cut" else found


def _tensors(random: Random) -> bytes:
    data = good(random).tobytes()
    entry: dict[str, object] = {"dtype": "F32", "shape": [ROWS, WIDTH], "data_offsets": [0, len(data)]}
    changes: list[Mapping[str, object]] = [
        *({"dtype": name} for name in ("F64", "F4", "F8_E8M0", "C64", "BOOL", "nonsense", None, 5)),
        *(
            {"shape": shape}
            for shape in ([-1, 6], [24, 6, 1], [144], [], [0, 6], [2**63, 2**63], [2**40, 6], "x", [24.5])
        ),
        *({"data_offsets": at} for at in ([0, 10], [0, 2**62], [-5, 10], [100, 50], [], [4, len(data) + 4])),
    ]
    headers: list[object] = [
        *({}, {"__metadata__": {"x": 5}, "a": entry}, {"a": entry, "b": entry}, {"": entry}, {"a": None}, [], 5, None),
        *({"../../x": entry}, {"a" * 100000: entry}, {"__metadata__": entry}),
    ]
    texts = [
        b"",
        b"{",
        b"[" * 5000,
        b'{"a":' * 3000,
        b"\xff\xfe",
        b'{"a":1,"a":2}',
        json.dumps({"a": entry}).encode("utf-16"),
    ]
    kind = random.random()
    changed = {"a": {**entry, **random.choice(changes)}} if kind < 0.4 else random.choice(headers)
    header = random.choice(texts) if 0.6 < kind < 0.7 else json.dumps({"a": entry} if kind > 0.7 else changed).encode()
    content = struct.pack("<Q", len(header)) + header + data
    if kind > 0.95:
        return struct.pack("<Q", random.choice([0, 1, 2**63, 2**64 - 1, 10**8])) + content[8:]
    return content if kind <= 0.7 else cut(random, content) if kind < 0.8 else flipped(random, content)


def _parquet(random: Random) -> bytes:
    lists = good(random).tolist()
    holes = [[None if random.random() < 0.1 else value for value in row] for row in lists]
    columns: list[pa.Array] = [
        *(
            pa.array(lists, kind)
            for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), WIDTH), pa.large_list(pa.float64()))
        ),
        pa.array([row[: random.randint(0, WIDTH)] for row in lists], pa.list_(pa.float32())),
        pa.array([None if random.random() < 0.2 else row for row in lists], pa.list_(pa.float32())),
        *(
            pa.array(holes),
            pa.array([None] * ROWS),
            pa.array([[]] * ROWS, pa.list_(pa.float32())),
            pa.array([["x"]] * ROWS),
        ),
        *(
            pa.array([[row] for row in lists]),
            pa.array(["x"] * ROWS),
            pa.array([b"\0" * 24] * ROWS),
            pa.array([1.0] * ROWS),
        ),
        *(
            pa.array([{"a": 1.0}] * ROWS),
            pa.array([[float("nan")] * WIDTH] * ROWS),
            pa.array([], pa.list_(pa.float32())),
        ),
    ]
    buffer, kind = io.BytesIO(), random.random()
    column = columns[0] if kind > 0.6 else random.choice(columns)
    names = random.choice([["a"], ["a"], ["a"], ["a", "b"], ["a", "a"], [""], ["x:y"]])
    table = pa.Table.from_arrays([column] * len(names), names)
    pq.write_table(table, buffer, compression=random.choice(["snappy", "zstd", "none", "gzip"]))
    content = buffer.getvalue()
    return content if kind < 0.65 else cut(random, content) if kind < 0.75 else flipped(random, content)


_MAKERS: Mapping[str, Callable[[Random], bytes]] = {
    ".npy": malformed_npy,
    ".npz": _zip,
    ".safetensors": _tensors,
    ".parquet": _parquet,
}


def make(place: Place) -> Case:
    """An audit of a malformed array beside a sound one."""
    random = place.random
    Path("b.npy").write_bytes(npy(good(random)))
    kind, suffix, key, expected, check = random.random(), ".npy", "", "any", False
    if kind < 0.04:
        Path("a.npy").symlink_to(random.choice(["/dev/zero", "a.npy", "/etc/passwd", "nowhere", "/proc/self/mem"]))
        expected = "refused"
    elif kind < 0.06:
        random.choice([os.mkfifo, os.mkdir])("a.npy")
        expected = "refused"
    elif kind < 0.11:
        Path("a.npy").write_bytes(npy(good(random, dtype=random.choice(["f2", "f4", "f8", ">f4", ">f8"]))))
        expected, check = "taken", True
    elif kind < 0.2:
        array, refused = odd_values(random)
        Path("a.npy").write_bytes(npy(array))
        expected, check = "refused" if refused else "any", not refused
    elif kind < 0.24:
        shapes = [(ROWS + 1, WIDTH), (ROWS, WIDTH + 1), (1, WIDTH), (ROWS, 1)]
        Path("a.npy").write_bytes(npy(good(random, *random.choice(shapes))))
        expected = "refused"
    else:
        suffix = random.choice([*_MAKERS])
        Path(f"a{suffix}").write_bytes(_MAKERS[suffix](random))
        key = random.choice(["", "", "", ":a", ":x", ":"]) if suffix != ".npy" else ""
        check = suffix == ".npy"
    files = [f"a{suffix}{key}", "b.npy"]
    if random.random() < 0.1:
        files.reverse()
    arguments = ["audit", *files, "--metrics", "quick", "--resamples", "2", "--out", "out"]
    return Case(arguments, expected, (lambda: same_gap(*map(Path, files))) if check else None)  # type: ignore[arg-type]
