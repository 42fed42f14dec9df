"""Headers of records of WFDB, as far as they say what is about to be read."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closegap.errors import DataError
from closegap.files import regular

_LARGEST = 2**20
_SEGMENTS = 1000
_NAME = 40
_SAFE = re.compile(r"[\w+-][\w.+-]*")  # of a file beside the header, and never another folder's, nor "-", the input
_RECORD = re.compile(r"(?P<record>[^\s/]+)(?:/(?P<segments>\d+))?\s+(?P<leads>\d+)(?:\s+(?P<rest>.*))?")
_FORMAT = re.compile(r"(?P<format>\d+)(?:x(?P<frame>\d+))?(?::\d+)?(?:\+(?P<offset>\d+))?")
_GAIN = re.compile(r"(?P<gain>[-+.\deE]+)(?:\((?P<baseline>-?\d+)\))?(?:/\S+)?")
_UNIT = re.compile(r"[^/]*/(?P<unit>\S+)")
_RATE = 250.0  # where a header says none, as WFDB has it
_BYTES = {"8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5} | dict.fromkeys(
    ("310", "311"), 4 / 3
)


@dataclass(frozen=True)
class WfdbHeader:
    """What a header says.

    Args:
        path: of the header.
        rate: samples of a lead in a second.
        samples: of each lead.
        leads: their names, numbers where there are none.
        units: of the physical values, as the header has them.
        files: of signals, and of the headers of segments.
        shorts: how to read them where all lie in one file as numbers of 16 bits, the usual form; None of any other.
    """

    path: Path
    rate: float
    samples: int
    leads: tuple[str, ...]
    units: tuple[str, ...]
    files: tuple[Path, ...]
    shorts: "Shorts | None" = None


@dataclass(frozen=True)
class Shorts:
    """Numbers of 16 bits, little end first, of all leads at one moment after the other.

    Args:
        offset: bytes before them.
        gains: what a number is divided by for the physical value, of each lead.
        baselines: what is taken from it before.
    """

    offset: int
    gains: tuple[float, ...]
    baselines: tuple[float, ...]


def header_of(path: Path) -> Path | None:
    """The header of the record that a path names, with or without .hea, or by its .dat; None where it names none."""
    if path.suffix == ".hea":
        return path
    beside = path.with_name(f"{path.name}.hea")
    if not path.is_file() and beside.is_file():
        return beside
    beside = path.with_suffix(".hea")
    return beside if path.suffix == ".dat" and beside.is_file() else None


def read_header(path: Path, name: str) -> WfdbHeader:
    """What a header says, but for its comments, which are never looked at: they may name the patient.

    Raises:
        DataError: no such header, one that cannot be read, or that names files that are not beside it.

    Reference:
        WFDB, header(5).
    """
    lines = _lines(path, name)
    found = _RECORD.fullmatch(lines[0]) if lines else None
    if found is None:
        raise DataError(f"{name}: no header of WFDB, its first line is no record")
    rate, samples = _rate_and_samples(found["rest"] or "", name)
    if found["segments"] is not None:
        return _of_segments(path, name, rate, samples, lines[1:], int(found["segments"]))
    if len(lines) - 1 != int(found["leads"]) or len(lines) == 1:
        raise DataError(f"{name}: describes {len(lines) - 1} leads where it says {int(found['leads']):,}")
    rows = [line.split(None, 8) for line in lines[1:]]
    sizes = _sizes(rows, name)
    files = tuple(path.with_name(file) for file in sizes)
    samples = _expect_files(files, list(sizes.values()), samples, name)
    leads = tuple(_lead(row, place) for place, row in enumerate(rows))
    units = tuple(_unit(row) for row in rows)
    return WfdbHeader(path, rate, samples, leads, units, files, _shorts(rows, sizes))


def _lines(path: Path, name: str) -> list[str]:
    try:
        with regular(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise DataError(f"{name}: no such signal") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) > _LARGEST:
        raise DataError(f"{name}: a header of more than {_LARGEST // 2**20} MiB; is it one?")
    lines = (line.partition("#")[0].strip() for line in content.decode("ascii", "ignore").splitlines())
    return [line for line in lines if line]


def _rate_and_samples(rest: str, name: str) -> tuple[float, int | None]:
    fields = rest.split()
    try:
        rate = float(re.split(r"[/(]", fields[0])[0]) if fields else _RATE
        samples = int(fields[1]) if len(fields) > 1 else 0
    except ValueError:
        raise DataError(f"{name}: no header of WFDB, its rate or number of samples is none") from None
    return rate or _RATE, samples or None


def _sizes(rows: Sequence[Sequence[str]], name: str) -> dict[str, tuple[float, int]]:
    """Each file to the bytes of a sample of all its leads, 0 where they are compressed, and where they begin."""
    sizes: dict[str, tuple[float, int]] = {}
    taken: dict[str, float] = defaultdict(float)
    for row in rows:
        form = _FORMAT.fullmatch(row[1]) if len(row) > 1 else None
        if form is None:
            raise DataError(f"{name}: a lead without a file and a format")
        if not _SAFE.fullmatch(row[0]) or row[0] in {"-", "~"}:
            raise DataError(f"{name}: names a file that is not beside it; fetch the record again")
        taken[row[0]] += _BYTES.get(form["format"], 0.0) * int(form["frame"] or 1)
        sizes[row[0]] = (taken[row[0]], int(form["offset"] or 0))
    return sizes


def _expect_files(files: Sequence[Path], sizes: Sequence[tuple[float, int]], samples: int | None, name: str) -> int:
    """The number of samples, which all files have to have."""
    for file, (each, offset) in zip(files, sizes, strict=True):
        try:
            there = regular(file).stat().st_size
        except OSError:
            raise DataError(f"{name}: no {file.name} beside its header; fetch the record again") from None
        held = int((there - offset) / each) if each else 0
        if samples is None and not held:
            raise DataError(f"{name}: says no number of samples, expected it in the first line of its header")
        samples = held if samples is None else samples
        if each and samples > held + 1:
            raise DataError(f"{name}: {held:,} samples in {file.name} where its header says {samples:,}")
    return samples or 0


def _of_segments(
    path: Path, name: str, rate: float, samples: int | None, lines: Sequence[str], said: int
) -> WfdbHeader:
    """What the headers of a record's segments say; "~" is a gap between them."""
    if not 0 < len(lines) <= _SEGMENTS or len(lines) != said:
        raise DataError(f"{name}: {len(lines)} segments where it says {said:,}, expected 1 to {_SEGMENTS:,}")
    names = [line.split()[0] for line in lines]
    if any(not _SAFE.fullmatch(one) for one in names if one != "~"):
        raise DataError(f"{name}: names a file that is not beside it; fetch the record again")
    if samples is None:
        raise DataError(f"{name}: says no number of samples, expected it in the first line of its header")
    files, first = list[Path](), None
    for one in dict.fromkeys(names):
        if one == "~":
            continue
        header = path.with_name(f"{one}.hea")
        below = _lines(header, name)
        rows = [line.split(None, 8) for line in below[1:]]
        if not below or (match := _RECORD.fullmatch(below[0])) is None or match["segments"] is not None:
            raise DataError(f"{name}: {header.name} beside it is no header of a segment")
        first = first or rows
        data = {row[0] for row in rows} - {"~"}
        if any(not _SAFE.fullmatch(file) for file in data):
            raise DataError(f"{name}: {header.name} names a file that is not beside it; fetch the record again")
        files += [header, *(path.with_name(file) for file in sorted(data))]
    if not first:
        raise DataError(f"{name}: no segment describes a lead")
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise DataError(f"{name}: no {missing.name} beside its header; fetch the record again")
    leads = tuple(_lead(row, place) for place, row in enumerate(first))
    return WfdbHeader(path, rate, samples, leads, tuple(map(_unit, first)), tuple(files))


def _shorts(rows: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, int]]) -> Shorts | None:
    if len(sizes) > 1 or any(row[1].partition("+")[0] != "16" for row in rows):
        return None
    scales = [_GAIN.fullmatch(row[2]) if len(row) > 2 else None for row in rows]
    try:
        gains = tuple(float(scale["gain"]) for scale in scales if scale is not None)
        zeros = [float(row[4]) if len(row) > 4 else 0.0 for row in rows]
    except ValueError:
        return None
    if len(gains) < len(rows) or not all(gains):
        return None
    own = [None if scale is None else scale["baseline"] for scale in scales]
    baselines = tuple(zero if given is None else float(given) for given, zero in zip(own, zeros, strict=True))
    return Shorts(next(iter(sizes.values()))[1], gains, baselines)


def _lead(row: Sequence[str], place: int) -> str:
    return "".join(filter(str.isprintable, row[8]))[:_NAME] if len(row) > 8 else str(place + 1)


def _unit(row: Sequence[str]) -> str:
    found = _UNIT.fullmatch(row[2]) if len(row) > 2 else None
    return found["unit"] if found else "mV"
