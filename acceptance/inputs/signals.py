"""Signals of formats that are read, damaged ones, lying headers, and what is no signal."""

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from jaxtyping import Float32
from pydicom import dcmread
from tests.kinds import leads

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import SHELL, STRANGE, cut, flipped, payload
from acceptance.inputs.media import of_files
from acceptance.tiny import part

_FORMS = ("16", "24", "32", "80", "212", "508", "516", "524")
_NOT_SIGNALS = (
    b"",
    b"\0" * 500,
    f"#!/bin/sh\n{SHELL}\n".encode(),
    b"<html><script>alert(1)</script>",
    b"PK\x03\x04" + bytes(60),
    b"\x89HDF\r\n\x1a\n" + bytes(90),
    b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 9000,
    b"time,I\n" + b"0," * 100_000,
    b"\xff" * 7 + b"\x7f{" + b"[" * 9000,
)


def make(place: Place) -> Case:
    """Shards written from a table of signals."""
    random = place.random
    settings: dict[str, Any] = {"file_rate": leads.RATE}
    said = "taken"
    if random.random() < 0.3:
        settings |= {"rate": random.choice([50, 0.5, 333.3]), "scale": "standard", "gaps": "interpolated"}
        settings |= random.choice([{}, {"leads": ["II", "V9"], "missing": "nan"}, {"leads": ["V9"]}])
        said = "any"
    kind = part("closegap.kinds.SignalKind", sampling=settings)
    return of_files(random, kind, lambda number: _signal(random, number), said)


def _signal(random: Random, number: int) -> tuple[str, str]:
    """The name of a file, and what is expected of it."""
    values = leads.beats(random.uniform(2, 6), seed=random.randrange(100))
    makers: list[Callable[[Random, int, Float32[np.ndarray, "leads n"]], tuple[str, bytes | None]]]
    makers = [_record, _record, _table, _array, _dicom]
    kind = random.random()
    if kind < 0.2:
        return random.choice(makers)(random, number, values)[0], "taken"
    if kind < 0.3:
        name = f"x{number}{random.choice(['', '.csv', '.hea', '.npy', '.dcm', '.safetensors'])}"
        (Path("media") / name).write_bytes(random.choice([*_NOT_SIGNALS, payload(), random.randbytes(900)]))
        return name, "refused"
    if kind < 0.45:
        values = random.choice([values * 0, values * np.nan, values[:, :0], values * np.inf])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return random.choice([_table, _array])(random, number, values)[0], "refused"
    name, _ = random.choice(makers)(random, number, values)
    path = Path("media") / name
    if not path.exists():
        return name, _spoil_record(random, path)
    changes: list[Callable[[Random, bytes], bytes]] = [flipped, flipped, cut, _longer]
    path.write_bytes(random.choice(changes)(random, path.read_bytes()))
    return name, "any"


def _longer(random: Random, content: bytes) -> bytes:
    return content + random.randbytes(40)


def _record(random: Random, number: int, values: Float32[np.ndarray, "leads n"]) -> tuple[str, None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        leads.record(Path("media"), values, f"r{number}", random.choice(_FORMS))
    return f"r{number}", None


def _table(random: Random, number: int, values: Float32[np.ndarray, "leads n"]) -> tuple[str, None]:
    name = f"{random.choice(['', '=1', 'é', '<b>'])}t{number}.csv"
    leads.table(Path("media") / name, values, random.choice(",;\t"), blanks=True)
    return name, None


def _array(random: Random, number: int, values: Float32[np.ndarray, "leads n"]) -> tuple[str, None]:
    buffer = BytesIO()
    np.save(buffer, values.astype(random.choice(["<f4", "<f8", ">f4"])))
    (Path("media") / f"a{number}.npy").write_bytes(buffer.getvalue())
    return f"a{number}.npy", None


def _dicom(random: Random, number: int, values: Float32[np.ndarray, "leads n"]) -> tuple[str, None]:
    path = leads.dicom(Path("media") / f"d{number}.dcm", values)
    if random.random() < 0.2:
        dataset = dcmread(path)
        dataset.WaveformSequence[0].MultiplexGroupLabel = random.choice(STRANGE)[:16].replace("\\", "")
        dataset.save_as(path)
    return path.name, None


def _spoil_record(random: Random, path: Path) -> str:
    """Damage the header of a record, or its data."""
    header, data = path.with_name(f"{path.name}.hea"), path.with_name(f"{path.name}.dat")
    data = data if data.exists() else data.with_suffix(".flac")
    text, kind = header.read_text(), random.random()
    if kind < 0.3:
        header.write_bytes(random.choice([flipped, cut])(random, header.read_bytes()))
        return "any"
    if kind < 0.45 and data.exists():
        data.write_bytes(random.choice([flipped, cut])(random, data.read_bytes()))
        return "any"
    first, *rest = text.splitlines()
    fields = first.split()
    place = random.randrange(1, len(fields))
    numbers = ("0", "-1", "999999999999", "1e308", "nan", "3.5", "٣", "9" * 4000, "")
    fields[place] = random.choice(numbers)
    if kind < 0.8:
        header.write_text("\n".join([" ".join(fields), *rest]) + "\n")
        return "any"
    names = ("../../../etc/passwd", "/etc/passwd", "-", "~", "s3://bucket/x", "http://127.0.0.1/x", "nowhere.dat")
    header.write_text(text.replace(data.name, random.choice(names)))
    return "refused"
