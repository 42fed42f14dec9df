"""Signals in tables: a column for each lead, a row for each moment."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Float

from closegap.errors import DataError
from closegap.kinds.sampling import Sampling
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts

_LARGEST = 256 * 2**20
_COLUMNS, _NAME = 513, 40
_START = 2**16
_TIMES = {"time": 1.0, "t": 1.0, "seconds": 1.0, "second": 1.0, "time_s": 1.0, "time_ms": 1e-3}
_UNIT = re.compile(r"(?P<name>.+?)\s*[\[(](?P<unit>[^\])]*)[\])]")
_ROW = re.compile(r"Row #(\d+)")
_EVEN = 0.1  # of a step that another may be shorter or longer
_BLANKS = ["", "NaN", "nan", "NA", "null", "-"]


def table_file(path: Path, sampling: Sampling, name: str) -> SignalFile:
    """The signals in CSV, separated by commas, semicolons or tabs; a blank cell, or NaN, was not recorded.

    A column called time or t, in seconds unless it says ms, gives the rate. Units stand behind names: `II [mV]`.

    Raises:
        DataError: no table of numbers, of more than 256 MiB, with rows of different lengths, uneven or missing times.
    """
    if (size := path.stat().st_size) > _LARGEST:
        raise DataError(
            f"{name}: {size / 2**20:,.0f} MiB of text, expected at most {_LARGEST // 2**20}; save it as NPY"
        )
    header, delimiter, titled = _header(path, name)
    columns = [f"{place}" for place in range(len(header))]
    try:
        table = pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(use_threads=False, column_names=columns, skip_rows=int(titled), encoding="utf-8"),
            pa.csv.ParseOptions(delimiter=delimiter),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float64()), null_values=_BLANKS),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        row = _ROW.search(str(error))
        where = f", row {row[1]}" if row else ""
        wanted = "a number" if len(header) == 1 else f"{len(header)} numbers, separated by {delimiter!r}"
        raise DataError(f"{name}{where}: expected {wanted}") from None
    values = np.stack([column.to_numpy() for column in table.columns]) if len(table) else np.empty((len(header), 0))
    names = [_named(cell) for cell in header] if titled else [("", sampling.file_unit)] * len(header)
    times = next((place for place, (lead, _) in enumerate(names) if lead.casefold() in _TIMES), None)
    rate = sampling.file_rate
    if times is not None:
        lead, unit = names[times]
        rate = _rate(values[times] * (1e-3 if unit == "ms" else _TIMES[lead.casefold()]), name)
    if rate is None:
        raise DataError(f"{name}: no column of times; add one called time, or name the kind's sampling.file_rate")
    kept = [place for place in range(len(header)) if place != times]
    leads = tuple(names[place][0] for place in kept)
    if not titled:
        leads = sampling.file_leads or tuple(str(number + 1) for number in range(len(kept)))
    if len(leads) != len(kept):
        raise DataError(f"{name}: {len(kept)} columns, expected {len(leads)}, as sampling.file_leads names them")
    units = [in_millivolts(names[place][1] or sampling.file_unit) for place in kept]
    factors = np.array([factor for factor, _ in units])[:, None]
    with np.errstate(over="ignore"):
        rows = np.asarray(values[kept] * factors, np.float32)
    return SignalFile(rate, leads, tuple(unit for _, unit in units), rows.shape[1], lambda a, b: rows[:, a:b])


def is_table(start: bytes) -> bool:
    """Whether a file that begins so may be one."""
    if not start.strip() or b"\0" in start:
        return False
    return all(byte >= 32 or byte in b"\t\r\n" for byte in start)


def _header(path: Path, name: str) -> tuple[Sequence[str], str, bool]:
    """The cells of the first line, what separates them, and whether they are names."""
    with path.open("rb") as file:
        start = file.read(_START)
    try:
        line = start.decode("utf-8-sig").splitlines()[0]
    except UnicodeDecodeError:
        line = start.splitlines()[0].decode("latin-1")
    delimiter = max(",;\t", key=line.count)
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    if not 0 < len(cells) <= _COLUMNS:
        raise DataError(f"{name}: {len(cells)} columns, expected 1 to {_COLUMNS}, one for each lead")
    numbers = [_is_number(cell) for cell in cells]
    if not all(numbers) and len(line) < _START // 4:
        if len({_named(cell)[0] for cell in cells}) < len(cells):
            raise DataError(f"{name}: two columns of one name; rename one")
        return cells, delimiter, True
    return cells, delimiter, False


def _named(cell: str) -> tuple[str, str]:
    """Name and unit of a column."""
    found = _UNIT.fullmatch(cell.strip())
    lead, unit = (found["name"], found["unit"]) if found else (cell.strip(), "")
    return "".join(filter(str.isprintable, lead))[:_NAME], unit


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() in _BLANKS
    return True


def _rate(times: Float[np.ndarray, "n"], name: str) -> float:
    steps = np.diff(times)
    step = (times[-1] - times[0]) / len(steps) if len(steps) else np.nan
    uneven = np.flatnonzero(~(np.abs(steps - step) <= _EVEN * step)) if step > 0 else np.zeros(1, int)
    if uneven.size:
        raise DataError(f"{name}, row {uneven[0] + 2}: expected times in even steps; resample it first")
    rate = float(1 / step)
    return float(round(rate)) if abs(rate - round(rate)) < 1e-4 * rate else rate
